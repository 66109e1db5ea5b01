"""Stripe's API on this machine, as strict as its reference.

It has the calls that we make, refuses every field that it does not know, and keeps
idempotency keys. `tests.billing.payments.stripe.account` has what people do at Stripe.
"""

import itertools
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from billing.payments.gateways.stripe.calls import VERSION
from tests.billing.payments.stripe.account import (
    LIVE,
    SECRETS,
    TEST,
    Account,
    Object,
    Refused,
)

__all__ = ["LIVE", "SECRETS", "TEST", "Stripe", "running"]

# The fields that we may send, by path; a field of another name is an error.
_FIELDS = {
    "customers": {"email", "name", "metadata"},
    "checkout/sessions": {
        *("client_reference_id", "customer", "line_items", "metadata", "mode"),
        *("success_url", "cancel_url", "allow_promotion_codes", "automatic_tax"),
        *("customer_update", "tax_id_collection", "payment_intent_data"),
        "subscription_data",
    },
    "billing_portal/sessions": {"customer", "return_url"},
    "refunds": {"payment_intent", "amount", "metadata"},
    "payment_intents": {
        *("amount", "currency", "customer", "payment_method", "off_session"),
        *("confirm", "description", "metadata"),
    },
}


_PAGE = (
    b"<!doctype html><title>Pay</title><link rel=icon href=data:,>"
    b"<form method=post><button>Pay</button></form>"
)


class Stripe(Account):
    """An account, and its API."""

    def answer(
        self, method: str, url: str, headers: Any, body: bytes
    ) -> tuple[int, Object]:
        """Return status and JSON for a request."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1/")
        with self._lock:
            self.calls.append(f"{method} {path}")
            try:
                livemode = self._authenticated(headers)
                query = _nested(
                    parse_qsl(parts.query, strict_parsing=bool(parts.query))
                )
                if method == "GET":
                    return 200, self._get(path, query, livemode)
                if method == "DELETE":
                    return 200, self._delete(path, livemode)
                return self._post_once(path, body, headers, livemode)
            except Refused as error:
                return error.status, {"error": error.error}

    def _authenticated(self, headers: Any) -> bool:
        given = headers.get("Authorization", "")
        if given not in (f"Bearer {LIVE}", f"Bearer {TEST}"):
            raise Refused(401)
        assert headers["Stripe-Version"] == VERSION
        return bool(given == f"Bearer {LIVE}")

    def _delete(self, path: str, livemode: bool) -> Object:
        kind, _, object_id = path.partition("/")
        assert kind == "subscriptions"
        found = self._find(object_id, "subscription", livemode)
        if found["status"] == "canceled":
            raise Refused(404, code="resource_missing")
        self.cancel(object_id, at_period_end=False)
        return self._shown(found, ())

    def _post_once(
        self, path: str, body: bytes, headers: Any, livemode: bool
    ) -> tuple[int, Object]:
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        key = headers["Idempotency-Key"]
        assert 0 < len(key) <= 255
        fields = _nested(parse_qsl(body.decode(), strict_parsing=True))
        content = json.dumps([path, livemode, fields], sort_keys=True)
        if key in self._keys:
            first, status, answer = self._keys[key]
            if first != content:
                raise Refused(400, type="idempotency_error")
            return status, answer
        try:
            status, answer = 200, self._post(path, fields, livemode)
        except Refused as error:
            status, answer = error.status, {"error": error.error}
        self._keys[key] = content, status, json.loads(json.dumps(answer))
        return status, self._keys[key][2]

    def _post(self, path: str, fields: Object, livemode: bool) -> Object:
        if path not in _FIELDS:
            raise Refused(404)
        if unknown := set(fields) - _FIELDS[path]:
            raise Refused(400, code="parameter_unknown", param=min(unknown))
        if path == "customers":
            return self._make(
                "cus",
                "customer",
                livemode,
                email=fields.get("email"),
                invoice_settings={"default_payment_method": None},
                metadata=fields["metadata"],
            )
        if path == "billing_portal/sessions":
            self._find(fields["customer"], "customer", livemode)
            return self._make(
                "bps", "billing_portal.session", livemode, url=f"{self.url}/portal"
            )
        if path == "refunds":
            self._find(fields["payment_intent"], "payment_intent", livemode)
            return self.refund(
                fields["payment_intent"],
                int(fields["amount"]),
                metadata=fields["metadata"],
            )
        if path == "payment_intents":
            return self._charge_saved(fields, livemode)
        return self._session(fields, livemode)

    def _charge_saved(self, fields: Object, livemode: bool) -> Object:
        self._find(fields["payment_method"], "payment_method", livemode)
        assert fields["off_session"] == fields["confirm"] == "true"
        intent = self._intent(
            int(fields["amount"]),
            fields["currency"],
            fields["customer"],
            fields["metadata"],
            livemode,
        )
        if self.declines:
            intent["status"] = "requires_payment_method"
            error = {"code": self.declines, "message": "Your card was declined."}
            intent["last_payment_error"] = error
            self._tell("payment_intent.payment_failed", intent)
            raise Refused(402, type="card_error", payment_intent=intent, **error)
        self._succeed(intent)
        return intent

    def _session(self, fields: Object, livemode: bool) -> Object:
        self._find(fields["customer"], "customer", livemode)
        (line,) = fields["line_items"].values()
        assert set(line) == {"quantity"} | ({"price"} & set(line) or {"price_data"})
        data = line.get("price_data")
        if data is None:
            price = self._find(line["price"], "price", livemode)
            amount, currency = price["unit_amount"], price["currency"]
            interval = (price.get("recurring") or {}).get("interval", "")
        else:
            amount, currency = int(data["unit_amount"]), data["currency"]
            interval = (data.get("recurring") or {}).get("interval", "")
        mode = fields["mode"]
        if (mode == "subscription") != bool(interval):
            raise Refused(400, param="mode")
        if mode == "payment" and "subscription_data" in fields:
            raise Refused(400, param="subscription_data")
        for name in ("success_url", "cancel_url"):
            assert re.match(r"https?://", fields[name])
        session = self._make(
            "cs_live" if livemode else "cs_test",
            "checkout.session",
            livemode,
            amount_subtotal=amount,
            amount_total=amount,
            automatic_tax={
                "enabled": fields.get("automatic_tax", {}).get("enabled") == "true"
            },
            client_reference_id=fields["client_reference_id"],
            client_secret=None,
            currency=currency,
            customer=fields["customer"],
            metadata=fields["metadata"],
            mode=mode,
            payment_intent=None,
            payment_status="unpaid",
            status="open",
            subscription=None,
            total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            _intent_metadata=fields.get("payment_intent_data", {}).get("metadata", {}),
            _subscription_data=fields.get("subscription_data", {}),
            _success_url=fields["success_url"],
            _line={
                "price": line.get("price"),
                "amount": amount,
                "interval": interval,
            },
        )
        session["url"] = f"{self.url}/pay/{session['id']}"
        return session

    def _get(self, path: str, query: Object, livemode: bool) -> Object:
        expand = list(query.pop("expand", {}).values())
        kinds = {
            "checkout/sessions": "checkout.session",
            "customers": "customer",
            "events": "event",
            "invoices": "invoice",
            "payment_intents": "payment_intent",
            "subscriptions": "subscription",
        }
        if path in kinds:
            return self._list(kinds[path], query, expand, livemode)
        if found := re.fullmatch(r"customers/(\w+)/payment_methods", path):
            cards = [
                one
                for one in self.objects.values()
                if one["object"] == "payment_method" and one["customer"] == found[1]
            ]
            return {"object": "list", "data": cards, "has_more": False}
        kind, _, object_id = path.rpartition("/")
        if kind not in kinds or query:
            raise Refused(404)
        return self._shown(self._find(object_id, kinds[kind], livemode), expand)

    def _list(
        self, kind: str, query: Object, expand: Sequence[str], livemode: bool
    ) -> Object:
        rows = self.events if kind == "event" else list(self.objects.values())
        limit = int(query.pop("limit"))
        after = query.pop("starting_after", None)
        created = {name: int(value) for name, value in query.pop("created").items()}
        types = set(query.pop("types", {}).values())
        assert len(types) <= 20
        status = query.pop("status", None)
        if query:
            raise Refused(400, code="parameter_unknown", param=min(query))
        found = [
            row
            for row in reversed(rows)
            if row["object"] == kind
            and row["livemode"] == livemode
            and (not types or row["type"] in types)
            and (status is None or row["status"] == status)
            and row["created"] >= created["gte"]
            and row["created"] < created.get("lt", 1 << 40)
        ]
        if after:
            ids = [row["id"] for row in found]
            found = found[ids.index(after) + 1 :]
        names = [name.removeprefix("data.") for name in expand]
        return {
            "object": "list",
            "data": [self._shown(row, names) for row in found[:limit]],
            "has_more": len(found) > limit,
        }

    def _shown(self, row: Object, expand: Sequence[str]) -> Object:
        shown = {name: value for name, value in row.items() if name[0] != "_"}
        if row["object"] == "invoice" and "payments" in expand:
            paid = row["_payment"]
            shown["payments"] = {
                "object": "list",
                "data": [
                    {
                        "object": "invoice_payment",
                        "status": "paid",
                        "payment": {"type": "payment_intent", "payment_intent": paid},
                    }
                ]
                if paid
                else [],
            }
        for name in ("latest_invoice", "latest_charge"):
            if name in expand and shown.get(name):
                shown[name] = self._shown(self.objects[shown[name]], ())
        return shown

    def _find(self, object_id: str, kind: str, livemode: bool) -> Object:
        found = self.objects.get(object_id)
        if (
            found is None
            or found["object"] != kind
            or (found["livemode"] != livemode and kind != "payment_method")
        ):
            raise Refused(404, code="resource_missing")
        return found


def _nested(pairs: Sequence[tuple[str, str]]) -> Object:
    """Return form fields such as `a[b][0]=c` as nested objects."""
    made: Object = {}
    for name, value in pairs:
        first, *inner = re.findall(r"[^\[\]]+", name)
        place = made
        for step, following in itertools.pairwise([first, *inner, None]):
            if following is None:
                assert step not in place, name
                place[step] = value
            else:
                place = place.setdefault(step, {})
    return made


@contextmanager
def running() -> Iterator[Stripe]:
    """Serve the API on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.body = body = self.rfile.read(length)
            if stripe.fault is not None and stripe.fault(self):
                return
            if self.path.startswith("/pay/"):
                self.page(self.path.removeprefix("/pay/"))
                return
            status, found = stripe.answer(self.command, self.path, self.headers, body)
            sent = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def page(self, session_id: str) -> None:
            """Show the page of a checkout, or pay by a slow method and lead back."""
            if self.command == "POST":
                session = stripe.pay(session_id, is_slow=True)
                self.send_response(303)
                self.send_header("Location", session["_success_url"])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(_PAGE)))
            self.end_headers()
            self.wfile.write(_PAGE)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stripe = Stripe(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stripe
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
