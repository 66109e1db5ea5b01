"""The description of authentication in the OpenAPI schema."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from accounts.http.permissions import AllowGuests


class TokenOrCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe `TokenOrCookie`: a token, a cookie, or nothing where guests are allowed."""

    target_class = "accounts.http.authentication.TokenOrCookie"
    match_subclasses = True
    name = ["token", "cookie"]

    def get_security_requirement(
        self, auto_schema: AutoSchema
    ) -> list[dict[str, list[Any]]]:
        """Return the alternative ways of authentication for a view."""
        schemes: list[dict[str, list[Any]]] = [{"token": []}, {"cookie": []}]
        permissions = auto_schema.view.get_permissions()
        if any(isinstance(permission, AllowGuests) for permission in permissions):
            schemes.append({})
        return schemes

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes of token and cookie."""
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
