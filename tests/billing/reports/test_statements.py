"""Monthly statements: the lines add up to the balance, on the page and in the PDF."""

import datetime
import re
from datetime import UTC
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from accounts.models import Membership
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, Pack, Store, Wallet
from billing.payments import purchases
from billing.reports import movements, statement_pdf, statements
from tests import factories
from tests.billing.factories import (
    capture,
    grant,
    release,
    reserve,
    wallet,
    without_guards,
)
from tests.billing.subscribers import subscriber

pytestmark = pytest.mark.django_db
NOVEMBER = datetime.date(2025, 11, 1)


def dated(wallet: Wallet, *moments: datetime.datetime) -> Wallet:
    """Set the times of a wallet's postings, in their order."""
    with without_guards() as cursor:
        for seq, at in enumerate(moments, 1):
            cursor.execute(
                "UPDATE billing_ledgertransaction SET created_at = %s"
                " WHERE wallet_id = %s AND seq = %s",
                [at, wallet.pk, seq],
            )
        cursor.execute(
            "UPDATE billing_wallet SET created_at = %s WHERE id = %s",
            [moments[0], wallet.pk],
        )
    return Wallet.objects.get(pk=wallet.pk)


def at(month: int, day: int, hour: int = 12, year: int = 2025) -> datetime.datetime:
    return datetime.datetime(year, month, day, hour, tzinfo=UTC)


@pytest.fixture
def used() -> Wallet:
    made = wallet()
    grant(made, 1000, reason="Bought")
    reserve(made, 300, key="job:1:1")
    capture(100, key="a", reservation="job:1:1")
    reserve(made, 50, key="job:2:1")
    release("job:1:1")
    grant(made, 5, kind="promo", reason="Gift")
    return dated(
        made,
        at(10, 31, 23),
        at(11, 1, 0),
        at(11, 1, 5),
        at(11, 2),
        at(11, 30, 23),
        at(12, 1, 0),
    )


def shown(wallet: Wallet, month: datetime.date):
    found = statements.of(wallet, month)
    return (
        found.opening_balance,
        [(str(line.day)[5:], line.text, line.credits) for line in found.lines],
        found.closing_balance,
    )


def test_statement_of_a_month(used):
    assert shown(used, datetime.date(2025, 10, 1)) == (
        0,
        [("10-31", "Added: Bought", 1000)],
        1000,
    )
    assert shown(used, NOVEMBER) == (
        1000,
        [
            ("11-01", "Speech", -300),
            ("11-02", "Speech", -50),
            ("11-30", "Speech", 200),
        ],
        850,
    )
    assert shown(used, datetime.date(2025, 12, 1)) == (
        850,
        [("12-01", "Added: Gift", 5)],
        855,
    )
    assert shown(used, datetime.date(2026, 1, 1)) == (855, [], 855)
    assert used.available == 855


def test_the_months_of_a_wallet(used, clock):
    clock.set(2026, 2, 15)
    assert [f"{month:%Y-%m}" for month in statements.months(used)] == [
        "2026-02",
        "2026-01",
        "2025-12",
        "2025-11",
        "2025-10",
    ]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["grant", "promo", "reserve", "capture", "release"]),
            st.integers(1, 400),
            st.integers(0, 40),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_lines_add_up_after_random_postings(steps):
    made = wallet(("pack", 10_000))
    moments = [at(1, 5)]
    for number, (verb, credits, days) in enumerate(steps):
        key = f"{made.pk}:{number}"
        before = Wallet.objects.get(pk=made.pk).seq
        if verb in ("grant", "promo"):
            grant(made, credits, kind="pack" if verb == "grant" else "promo")
        else:
            reserve(made, credits, key=key)
            if verb == "capture":
                capture(credits // 2, key=key, reservation=key)
            if verb != "reserve":
                release(key)
        after = Wallet.objects.get(pk=made.pk).seq
        moments += [
            moments[-1] + datetime.timedelta(days=days) for _ in range(after - before)
        ]
    made = dated(made, *moments)
    month, balance = datetime.date(2025, 1, 1), 0
    while month <= moments[-1].date():
        found = statements.of(made, month)
        assert found.opening_balance == balance
        assert found.opening_balance + sum(line.credits for line in found.lines) == (
            found.closing_balance
        )
        balance = found.closing_balance
        month = (month + datetime.timedelta(days=32)).replace(day=1)
    assert balance == made.available - made.debt


def test_statement_reads_few_postings_of_a_long_history(
    django_assert_max_num_queries,
):
    made = wallet()
    for _ in range(40):
        grant(made, 1)
    made = dated(made, *(at(1 + n // 4, 1 + n % 4) for n in range(40)))
    with django_assert_max_num_queries(2 * 6 + 8):
        found = statements.of(made, datetime.date(2025, 5, 1))
    assert (found.opening_balance, len(found.lines), found.closing_balance) == (
        16,
        4,
        20,
    )


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


def test_pdf_has_the_same_content_as_the_page(used):
    used.workspace.name = "Ľubica & Žofia, Київ, Αθήνα, 日本"
    text = text_of(statement_pdf.render(statements.of(used, NOVEMBER)))
    assert "Statement of November 2025" in text
    assert "Ľubica & Žofia, Київ, Αθήνα, ��" in text
    assert re.search(r"Balance when the month began\s+1,000", text)
    assert re.search(r"2025-11-01\s+Speech\s+-300", text)
    assert re.search(r"2025-11-30\s+Speech\s+\+200", text)
    assert re.search(r"Balance when it ended\s+850", text)
    numbers = [int(n.replace(",", "")) for n in re.findall(r"Speech\s+([+-]\d+)", text)]
    assert 1000 + sum(numbers) == 850


def test_long_statement_has_several_pdf_pages():
    made = wallet()
    for number in range(120):
        grant(made, 1, reason=f"Gift <{number}> & more")
    made = dated(made, *[at(11, 5)] * 120)
    pdf = statement_pdf.render(statements.of(made, NOVEMBER))
    assert len(PdfReader(BytesIO(pdf)).pages) > 2
    text = text_of(pdf)
    assert "Gift <119> & more" in text
    assert text.count("+1") == 120


def test_the_same_statement_is_the_same_file(used):
    first, second = (
        statement_pdf.render(statements.of(used, NOVEMBER)) for _ in range(2)
    )
    assert first == second


# --- Pages ---


@pytest.fixture
def workspace():
    return subscriber()


@pytest.fixture
def ada(workspace):
    return workspace.memberships.get().user


def this_month() -> str:
    return f"{datetime.datetime.now(UTC):%Y-%m}"


def test_the_pages_of_statements(workspace, ada):
    purchases_of = wallet_of(workspace, "PRODUCTION")
    purchases.sell(
        purchases_of,
        Pack.objects.get(key="credit_pack_1hr"),
        store=Store.STRIPE,
        external_id="pay_1",
    )
    browser = factories.browser(ada)
    month = this_month()
    assert f"/statements/{month}" in browser.get("/statements").content.decode()
    page = browser.get(f"/statements/{month}").content.decode()
    assert "Added: 25,000 credits" in page
    assert "2.99 USD" in page
    assert re.search(r"Balance now</th><td[^>]*>30,000<", page)
    pdf = browser.get(f"/statements/{month}.pdf")
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf["Content-Disposition"] == (
        f'attachment; filename="ozvena-production-{month}.pdf"'
    )
    text = text_of(pdf.content)
    assert "2.99 USD" in text
    assert re.search(r"Balance now\s+30,000", text)


@pytest.mark.parametrize(
    "path",
    [
        "/statements/2019-12",
        "/statements/2099-01",
        "/statements/2026-13",
        "/statements/x.pdf",
    ],
)
def test_other_months_are_not_found(ada, path):
    assert factories.browser(ada).get(path).status_code == 404


def test_members_cannot_see_statements(ada):
    bob = factories.user("bob@example.com")
    team = factories.team(ada, bob)
    bob.preferences = {"workspace": str(team.pk)}
    bob.save()
    browser = factories.browser(bob)
    month = this_month()
    paths = ["/statements", f"/statements/{month}", f"/statements/{month}.pdf"]
    assert [browser.get(path).status_code for path in paths] == [403] * 3
    assert "/statements" not in browser.get("/credits").content.decode()
    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    assert [browser.get(path).status_code for path in paths] == [200] * 3


def test_guests_are_sent_to_the_login():
    for path in ("/usage", "/usage.csv", "/credits", "/statements"):
        answer = factories.api().get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login?next=")


def test_movements_are_described(used):
    found, following = movements.page(used)
    assert [(m.text, m.credits, m.balance) for m in found] == [
        ("Added: Gift", 5, 855),
        ("Released from a job", 200, 850),
        ("Held for a job", -50, 650),
        ("Used: 100 of the held credits", 0, 700),
        ("Held for a job", -300, 700),
        ("Added: Bought", 1000, 1000),
    ]
    assert following is None
    first, following = movements.page(used, size=4)
    assert (len(first), following) == (4, 3)
    rest, following = movements.page(used, before=3, size=4)
    assert [m.seq for m in first + rest] == [6, 5, 4, 3, 2, 1]
    assert following is None


def test_every_kind_of_posting_has_a_description():
    for kind in LedgerTransaction.Kind.values:
        assert kind in movements._WORDS


def test_page_of_movements_takes_two_queries(used, django_assert_num_queries):
    with django_assert_num_queries(2):
        movements.page(used)
