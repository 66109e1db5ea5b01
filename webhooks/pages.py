"""Routes of pages."""

from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks", views.overview, name="webhooks-page"),
    path("webhooks/<uuid:endpoint_id>", views.endpoint_page, name="webhook-page"),
    path("webhooks/<uuid:endpoint_id>/<slug:verb>", views.act, name="webhook-act"),
    path("deliveries/<uuid:delivery_id>", views.delivery_page, name="delivery-page"),
    path(
        "deliveries/<uuid:delivery_id>/replay",
        views.replay_delivery,
        name="delivery-page-replay",
    ),
]
