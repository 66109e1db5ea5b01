"""Pauses between the pieces of a scene follow its speed."""

import pytest

from synthesis.models import Piece
from tests import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
TEXT = "\n\n".join(["A paragraph that is said. " * 59, "Another one, of the same."] * 2)


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_a_pause_between_pieces_lasts_as_long_as_one_within(
    submitted, speak_all, speed
):
    caller = factories.caller(factories.user())
    scene = submitted(caller, TEXT, voice="unicorn:en-us").scenes.get()
    scene.speed = speed
    scene.save()
    speak_all()
    pieces = list(Piece.objects.filter(scene=scene).order_by("ordinal"))
    assert len(pieces) == 2
    # eSpeak leaves a few milliseconds of silence at the end of a piece.
    assert pieces[0].pause_ms == pytest.approx(550 / speed, abs=30)
