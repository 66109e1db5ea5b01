"""Routes of pages."""

from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks", views.overview, name="webhooks-page"),
    path("webhooks/events", views.events_page, name="webhook-events-page"),
    path(
        "webhooks/default-secret",
        views.default_secret_page,
        name="webhook-default-secret-page",
    ),
    path("webhooks/<uuid:endpoint_id>", views.endpoint_page, name="webhook-page"),
    path("webhooks/<uuid:endpoint_id>/<slug:verb>", views.act, name="webhook-act"),
    path("deliveries", views.log_page, name="deliveries-page"),
    path("deliveries/replay", views.replay_log, name="deliveries-page-replay"),
    path("deliveries/<uuid:delivery_id>", views.delivery_page, name="delivery-page"),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        views.replay_delivery,
        name="delivery-page-replay",
    ),
]
