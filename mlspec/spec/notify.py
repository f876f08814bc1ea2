"""Who is told, and how."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlspec.spec.alert import AlertSeverity
from mlspec.spec.base import Boolean, Shape, Text, one_or_more
from mlspec.spec.service import Address


def _environment_name(text: str) -> str:
    if not text.isascii() or not text.replace("_", "a").isalnum() or text[0].isdigit():
        raise ValueError(f"`{text}` is no name of an environment variable")
    return text


_URL = re.compile(
    r"https?://(?:[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d{1,5}))?"
    r"(?:[/?](?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)


def _url(text: str) -> str:
    if re.match(r"https?://[^/@]*:[^/@]*@", text):
        raise ValueError("a password stands in the URL: remove it, and give `token: {secret: NAME}`")
    match = _URL.fullmatch(text)
    if not match or not 0 < int(match["port"] or 80) <= 65535:
        raise ValueError(f"`{text}` is no http(s) URL: write one as `https://host:port/path`")
    return text


def _not_a_mapping(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("a secret is not written down: write `{secret: NAME}` and put it in the environment as NAME")
    return value


Url = Annotated[Text, AfterValidator(_url)]


class Secret(Shape):
    """Something that is not written down: the name of the environment variable that has it."""

    secret: Annotated[Text, AfterValidator(_environment_name)]


SecretField = Annotated[Secret, BeforeValidator(_not_a_mapping)]


class Slack(Shape):
    """A Slack channel, by incoming webhook."""

    webhook: SecretField
    channel: Text | None = None


class Webhook(Shape):
    """Any HTTP endpoint, in Alertmanager's own JSON."""

    url: Url
    token: SecretField | None = Field(None, description="Sent as a bearer token.")


class Email(Shape):
    """E-mail."""

    to: Text
    sender: Text = Field(alias="from")
    smarthost: Address = Field(description="host:port of the SMTP server.")
    username: Text | None = None
    password: SecretField | None = None


class Receiver(Shape):
    """Somebody who is told: by what means, and of which alerts."""

    slack: Slack | None = None
    webhook: Webhook | None = None
    email: Email | None = None
    severity: Annotated[tuple[AlertSeverity, ...], BeforeValidator(one_or_more)] = Field(
        ("warning", "critical"), description="Of which severities."
    )
    owner: Text | None = Field(None, description="Only alerts of this owner.")
    watchdog: Boolean = Field(False, description="Gets the watchdog's heartbeat, and nothing else.")

    @model_validator(mode="after")
    def _some(self) -> "Receiver":
        if not (self.slack or self.webhook or self.email):
            raise ValueError("a receiver needs `slack`, `webhook` or `email`")
        return self

    def secrets(self) -> tuple[str, ...]:
        """The environment variables that it needs."""
        held = (
            self.slack and self.slack.webhook,
            self.webhook and self.webhook.token,
            self.email and self.email.password,
        )
        return tuple(secret.secret for secret in held if secret)
