"""Routes of the webhook pages."""

from django.urls import path

from webhooks.pages import default_secret, deliveries, endpoints

urlpatterns = [
    path("webhooks", endpoints.overview, name="webhooks-page"),
    path("webhooks/events", endpoints.events_page, name="webhook-events-page"),
    path(
        "webhooks/default-secret",
        default_secret.default_secret_page,
        name="webhook-default-secret-page",
    ),
    path("webhooks/<uuid:endpoint_id>", endpoints.endpoint_page, name="webhook-page"),
    path(
        "webhooks/<uuid:endpoint_id>/<slug:verb>",
        endpoints.action,
        name="webhook-action",
    ),
    path("deliveries", deliveries.log_page, name="deliveries-page"),
    path("deliveries/replay", deliveries.replay_log, name="deliveries-page-replay"),
    path(
        "deliveries/<uuid:delivery_id>", deliveries.delivery_page, name="delivery-page"
    ),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        deliveries.replay_delivery,
        name="delivery-page-replay",
    ),
]
