"""Payloads of deliveries."""

from __future__ import annotations


def payloads(deliveries):
    return [delivery.payload for delivery in deliveries]
