"""Routes of webhooks below /api/v1/."""

from django.urls import path

from webhooks.api import default_secret, deliveries, endpoints, events

urlpatterns = [
    path("webhooks", endpoints.EndpointsView.as_view(), name="webhooks"),
    path(
        "webhooks/default-secret",
        default_secret.DefaultSecretView.as_view(),
        name="webhook-default-secret",
    ),
    path(
        "webhooks/default-secret/rotate",
        default_secret.RotateDefaultSecretView.as_view(),
        name="webhook-default-secret-rotate",
    ),
    path(
        "webhooks/event-types",
        events.EventTypesView.as_view(),
        name="webhook-event-types",
    ),
    path(
        "webhooks/<uuid:endpoint_id>", endpoints.EndpointView.as_view(), name="webhook"
    ),
    path(
        "webhooks/<uuid:endpoint_id>/rotate",
        endpoints.RotateView.as_view(),
        name="webhook-rotate",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/test",
        endpoints.TestView.as_view(),
        name="webhook-test",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/deliveries",
        deliveries.DeliveriesOfEndpointView.as_view(),
        name="webhook-deliveries",
    ),
    path(
        "webhooks/<uuid:endpoint_id>/replay",
        deliveries.ReplayFailedView.as_view(),
        name="webhook-replay",
    ),
    path("deliveries", deliveries.DeliveriesView.as_view(), name="deliveries"),
    path(
        "deliveries/replay",
        deliveries.ReplayAllFailedView.as_view(),
        name="deliveries-replay",
    ),
    path(
        "deliveries/<uuid:delivery_id>",
        deliveries.DeliveryView.as_view(),
        name="delivery",
    ),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        deliveries.ReplayView.as_view(),
        name="delivery-replay",
    ),
]
