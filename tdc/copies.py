"""Queueing the copy of a clean message."""

from __future__ import annotations

from seg_console.delivery.queue import DeliverySpec
from seg_console.mail.addresses import domain_of
from tdc.kind import NAME


def copy_spec(*, mid: int, intake_address: str, size: int) -> DeliverySpec:
    """The one delivery that a copy is: to the intake address as it is at this moment, RID 0."""
    return DeliverySpec(
        mid=mid,
        kind=NAME,
        domain=domain_of(intake_address),
        recipients=((0, intake_address),),
        size=size,
        address=intake_address,
    )
