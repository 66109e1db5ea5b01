"""Stripe: cards, plans, the customer portal.

References: docs.stripe.com/api, version 2026-08-26.dahlia, and docs.stripe.com/webhooks,
read 2026-11-20. Traps:

- An event has the version of its endpoint, not ours, so what moves between versions
  (invoices, subscriptions) is read again.
- Events come twice, in any order, and two can tell of the same payment. `charge.refunded`
  is cumulative and names no refund; `refund.*` does.
- Refunds and disputes don't have the metadata of the checkout, only the payment intent.
- A session is `completed` before a slow method has paid: `payment_status` decides.
- An idempotency key holds for 24 hours, with the same parameters.
"""
