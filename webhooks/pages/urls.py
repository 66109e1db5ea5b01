"""Routes of pages."""

from django.urls import path

from webhooks.pages import endpoints

urlpatterns = [
    path("webhooks", endpoints.overview, name="webhooks-page"),
    path("webhooks/events", endpoints.events_page, name="webhook-events-page"),
    path(
        "webhooks/default-secret",
        endpoints.default_secret_page,
        name="webhook-default-secret-page",
    ),
    path("webhooks/<uuid:endpoint_id>", endpoints.endpoint_page, name="webhook-page"),
    path("webhooks/<uuid:endpoint_id>/<slug:verb>", endpoints.act, name="webhook-act"),
    path("deliveries", endpoints.log_page, name="deliveries-page"),
    path("deliveries/replay", endpoints.replay_log, name="deliveries-page-replay"),
    path(
        "deliveries/<uuid:delivery_id>", endpoints.delivery_page, name="delivery-page"
    ),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        endpoints.replay_delivery,
        name="delivery-page-replay",
    ),
]
