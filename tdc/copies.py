"""Queueing the copy of a clean message."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.services import Piece
from seg_console.delivery.enqueue import DeliverySpec
from seg_console.mail.addresses import domain_of
from tdc.kind import NAME
from tdc.running import Connector


@dataclass(frozen=True, slots=True)
class CopyRule:
    """The connector's rule for what is accepted: one delivery more where the policy says so."""

    connector: Connector

    @property
    def adds_sender_ip_header(self) -> bool:
        return self.connector.add_sender_ip_header

    def decide(self, piece: Piece) -> Piece:
        address = self.connector.choice_for(piece.part.policy.uid)
        if address is None:
            return piece
        copy = copy_spec(mid=piece.mid, intake_address=address, size=piece.size)
        return replace(piece, deliveries=(*piece.deliveries, copy))


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
