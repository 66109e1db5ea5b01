"""How the OpenAPI schema describes the two doors."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from accounts.http.permissions import GuestsWelcome


class TwoDoorsScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A token or a cookie; nothing at all where guests are welcome."""

    target_class = "accounts.http.authentication.TwoDoors"
    name = ["token", "cookie"]

    def get_security_requirement(
        self, auto_schema: AutoSchema
    ) -> list[dict[str, list[Any]]]:
        """Return the alternatives."""
        doors: list[dict[str, list[Any]]] = [{"token": []}, {"cookie": []}]
        permissions = auto_schema.view.get_permissions()
        if any(isinstance(permission, GuestsWelcome) for permission in permissions):
            doors.append({})
        return doors

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Return what each door asks for."""
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "ozv-…",
                "description": "An API token, for programs.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": settings.SESSION_COOKIE_NAME,
                "description": "A login, for browsers; changes need X-CSRFToken.",
            },
        ]
