"""What adapters of vendors have in common, and what they make of requests."""

from collections.abc import Mapping
from decimal import Decimal

from providers.contract.base import Access, Failure, Limit, ProviderError, SpeechRequest
from providers.contract.options import Option


class Remote:
    """An adapter that calls somebody else's server with a key."""

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
        """Return where to call, without a slash at the end.

        Raises:
            ProviderError: the region is none of the vendor's, or there is no address.
        """
        address = access.base_url or self.regions.get(access.region, "")
        if not address:
            raise ProviderError(Failure.BAD_REQUEST, "no address, or an unknown region")
        return address.rstrip("/")

    def key(self, access: Access) -> str:
        """Return the key, which can stand in a header.

        Raises:
            ProviderError: there is none, or it is none.
        """
        key = access.key
        if not key and not self.needs_key:
            return ""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ProviderError(Failure.BAD_KEY, "nothing that could be a key")
        return key

    def limit_for(self, voice: str, speed: float) -> Limit:
        """Return the limit of one call, the same for all."""
        return self.limit

    def validate(self, request: SpeechRequest) -> None:
        """Refuse a text that can't be spoken by one call, before anything is sent.

        Raises:
            ProviderError: it is too long, or has nothing to say in it.
        """
        limit = self.limit_for(request.voice, request.speed)
        length = limit.measure(request.text)
        if length > limit.amount:
            raise ProviderError(Failure.TOO_LONG, f"{length} {limit.unit}")
        if not any(map(str.isalnum, request.text)):
            raise ProviderError(Failure.UNSPEAKABLE, "no letters")


def clamp_speed(request: SpeechRequest, slowest: float, fastest: float) -> float:
    """Return the pace that was asked for, or the nearest one that the vendor has."""
    return min(max(request.speed, slowest), fastest)


def text_option(request: SpeechRequest, name: str, most: int) -> str:
    """Return a text among the options; empty if there is none.

    Raises:
        ProviderError: it is no text, or longer than `most` characters.
    """
    value = request.options.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return value


def choice_option(request: SpeechRequest, name: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed` among the options; the first if there is none.

    Raises:
        ProviderError: it is none of them.
    """
    value = request.options.get(name, allowed[0])
    if value not in allowed:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return str(value)


def number_option(
    request: SpeechRequest, name: str, low: float, high: float
) -> float | None:
    """Return a number among the options; None if there is none.

    Raises:
        ProviderError: it is no number from `low` to `high`.
    """
    value = request.options.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= float(str(value)) <= high:
        raise ProviderError(Failure.BAD_REQUEST, f"option {name}")
    return float(str(value))
