"""Callbacks of payment gateways: `POST /hooks/<gateway>`."""

import logging

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.payments import inbox
from billing.payments.gateways.contract import Callback
from kit.errors import AppError

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def receive(request: HttpRequest, gateway: str) -> JsonResponse:
    """Take a callback; its signature is its authentication."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        answer = inbox.receive(gateway, Callback(headers, request.body))
    except AppError as error:
        logger.warning("callback of %s refused: %s", gateway, error.code)
        body = {"code": error.code, "detail": str(error)}
        return JsonResponse(body, status=int(error.status), headers=error.headers)
    return JsonResponse(answer)
