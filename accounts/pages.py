"""Routes of pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import views

urlpatterns = [
    path("login/link/<str:secret>/", views.login_link, name="login_link"),
    path("logout", LogoutView.as_view(next_page="/"), name="logout"),
]
