"""Certificates for TLS, for both ways of mail: what the gateway may prove its name with."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from seg_console.certificates.pem import described
from seg_console.config.models import Configuration, ConfigurationObject

LONGEST_CERTIFICATE_NAME = 64
CERTIFICATE_NAME_PATTERN = r"[\w.-]+(?: [\w.-]+)*"
CERTIFICATE_NAME_RULE = _("Use letters, digits, dots, hyphens, underscores and single spaces.")


class Certificate(ConfigurationObject):
    """A certificate chain and its private key, both PEM text; the server's own certificate comes first."""

    identity = "name"
    secret_fields = frozenset({"private_key"})

    name = models.CharField(
        _("Certificate"),
        max_length=LONGEST_CERTIFICATE_NAME,
        validators=[RegexValidator(rf"\A{CERTIFICATE_NAME_PATTERN}\Z", CERTIFICATE_NAME_RULE)],
    )
    certificate = models.TextField(_("Certificate chain"))
    private_key = models.TextField(_("Private key"))

    class Meta:
        verbose_name = _("Certificate")
        verbose_name_plural = _("Certificates")
        # Table and constraints have the names that databases have known them by since they were the way in's.
        db_table = "gateway_certificate"
        constraints = [
            models.UniqueConstraint(fields=["configuration", "uid"], name="gateway_certificate_uid"),
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="gateway_certificate_name",
                violation_error_message=_("A certificate of that name exists already."),
            ),
        ]

    def display(self, field: str) -> str | tuple[str, ...]:
        """As the base says; of the chain, each certificate's name, days of validity and fingerprint, since nobody reads
        PEM text, and these read the same in every language."""
        if field != "certificate" or not self.certificate:
            return super().display(field)
        return tuple(
            f"{each.common_name or ', '.join(each.names)}, {each.valid_from.date()} – {each.valid_until.date()}, "
            f"SHA-256 {each.fingerprint}"
            for each in described(self.certificate)
        )


def names_in(configuration: Configuration) -> list[str]:
    """What a page lets choose from, sorted as people look for names. One query."""
    found = Certificate.objects.filter(configuration=configuration).values_list("name", flat=True)
    return sorted(found, key=str.casefold)
