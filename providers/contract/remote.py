"""The base class of adapters that call a vendor, and readers of their options."""

from collections.abc import Mapping
from decimal import Decimal

from providers.contract.base import Access, Failure, Limit, ProviderError, SpeechRequest
from providers.contract.options import Option


class Remote:
    """The base class of adapters that call a remote server, usually with a key."""

    slug: str
    limit: Limit
    own_key = True
    is_local = False
    needs_key = True
    has_voice_table = False
    regions: Mapping[str, str] = {}
    options: Mapping[str, Option] = {}
    cost_multiplier = Decimal(1)
    max_concurrent_per_key: int | None = None

    def address(self, access: Access) -> str:
        """Return the base URL of calls, without a trailing slash.

        Raises:
            ProviderError: the region is unknown, or no address is set.
        """
        address = access.base_url or self.regions.get(access.region, "")
        if not address:
            raise ProviderError(Failure.BAD_REQUEST, "no address, or an unknown region")
        return address.rstrip("/")

    def key(self, access: Access) -> str:
        """Return the key, validated for use in a header.

        Raises:
            ProviderError: the key is missing or can't be valid.
        """
        key = access.key
        if not key and not self.needs_key:
            return ""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ProviderError(Failure.BAD_KEY, "the key is missing or malformed")
        return key

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of one call, the same for all voices and speeds."""
        return self.limit

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return nothing: each voice takes all options and any speed."""
        return {}

    def validate(self, request: SpeechRequest) -> None:
        """Raise ProviderError unless one call can speak the text; nothing is sent.

        Raises:
            ProviderError: TOO_LONG; or UNSPEAKABLE, it has no letters or digits.
        """
        limit = self.limit_for(request.voice, request.speed, request.options)
        length = limit.measure(request.text)
        if length > limit.amount:
            raise ProviderError(Failure.TOO_LONG, f"{length} {limit.unit}")
        if not any(map(str.isalnum, request.text)):
            raise ProviderError(Failure.UNSPEAKABLE, "no letters")


def clamp_speed(request: SpeechRequest, slowest: float, fastest: float) -> float:
    """Return the requested speed, clamped to the vendor's range."""
    return min(max(request.speed, slowest), fastest)


def text_option(request: SpeechRequest, name: str, most: int) -> str:
    """Return the text of an option; empty if the request doesn't have it.

    Raises:
        ProviderError: it is not a text, or longer than `most` characters.
    """
    value = request.options.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return value


def choice_option(request: SpeechRequest, name: str, allowed: tuple[str, ...]) -> str:
    """Return the value of an option; the first of `allowed` is the default.

    Raises:
        ProviderError: it is not one of `allowed`.
    """
    value = request.options.get(name, allowed[0])
    if value not in allowed:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return str(value)


def flag_option(request: SpeechRequest, name: str) -> bool:
    """Return the value of an option; False if the request doesn't have it.

    Raises:
        ProviderError: it is neither true nor false.
    """
    value = request.options.get(name, False)
    if not isinstance(value, bool):
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return value


def number_option(
    request: SpeechRequest, name: str, low: float, high: float
) -> float | None:
    """Return the number of an option; None if the request doesn't have it.

    Raises:
        ProviderError: it is not a number from `low` to `high`.
    """
    value = request.options.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= float(str(value)) <= high:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return float(str(value))
