"""A Partner API to develop against: strict in what it takes, and no kinder than the documentation.

`partner` is the whole service in memory, `diary` its bookings and messages, `operations` what each call does, `gate` the
tokens, `workshop` catalog and slots, `outbox` the webhooks, `faults` the switches, `values` and `shapes` what a body may
hold, `openapi` its description; `server` puts it on a socket, `console` adds the customer's page.

RULE: shares nothing with the client but the wire contract. A client and a server that share their mistakes prove nothing.
"""
