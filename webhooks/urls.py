"""Routes below /api/v1/."""

from django.urls import path

from webhooks import api

urlpatterns = [
    path("webhooks", api.EndpointsView.as_view(), name="webhooks"),
    path(
        "webhooks/default-secret",
        api.DefaultSecretView.as_view(),
        name="webhook-default-secret",
    ),
    path(
        "webhooks/default-secret/rotate",
        api.RotateDefaultSecretView.as_view(),
        name="webhook-default-secret-rotate",
    ),
    path(
        "webhooks/event-types", api.EventTypesView.as_view(), name="webhook-event-types"
    ),
    path("webhooks/<uuid:endpoint_id>", api.EndpointView.as_view(), name="webhook"),
    path(
        "webhooks/<uuid:endpoint_id>/rotate",
        api.RotateView.as_view(),
        name="webhook-rotate",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/test",
        api.TestView.as_view(),
        name="webhook-test",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/deliveries",
        api.DeliveriesOfEndpointView.as_view(),
        name="webhook-deliveries",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/replay",
        api.ReplayFailedView.as_view(),
        name="webhook-replay",
    ),
    path("deliveries", api.DeliveriesView.as_view(), name="deliveries"),
    path(
        "deliveries/replay", api.ReplayAllFailedView.as_view(), name="deliveries-replay"
    ),
    path("deliveries/<uuid:delivery_id>", api.DeliveryView.as_view(), name="delivery"),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        api.ReplayView.as_view(),
        name="delivery-replay",
    ),
]
