"""Kafka's errors turned into ours, by whose fault they are."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiokafka import errors
from penchant_core.errors import InvalidSetting, PenchantError, Unavailable

from penchant_adapters.settings_groups import KafkaSettings


@contextmanager
def translating(settings: KafkaSettings, where: str = "") -> Iterator[None]:
    """Raise ours instead of Kafka's errors inside the block; *where* is the broker or topic that it is about."""
    try:
        yield
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise translated(error, settings, where) from error


def translated(error: BaseException, settings: KafkaSettings, where: str = "") -> PenchantError:
    """Return our error for one of Kafka's or of the network."""
    place = where or settings.bootstrap
    for one in _chain(error):
        if isinstance(one, PenchantError):
            return one
        for kinds, ours in _FAULTS:
            if isinstance(one, kinds):
                return ours(one, settings, place)
    if not isinstance(error, (OSError, errors.KafkaConnectionError, errors.RequestTimedOutError)):
        return Unavailable(f"Kafka fails ({place}): {_said(error)}")
    hint = "" if settings.security_protocol != "PLAINTEXT" else ", without TLS and SASL (kafka.security_protocol)"
    return Unavailable(f"Kafka cannot be reached at {place}{hint}: {_said(error)}")


def _refused(error: BaseException, settings: KafkaSettings, _: str) -> PenchantError:
    by_token = settings.sasl_mechanism == "OAUTHBEARER"
    return InvalidSetting(
        f"Kafka refuses {_who(settings)} with {settings.sasl_mechanism}: {_said(error)}",
        field="kafka.token_file" if by_token else "kafka.password_file",
    )


def _not_offered(error: BaseException, settings: KafkaSettings, place: str) -> PenchantError:
    return InvalidSetting(
        f"{place} does not offer {settings.sasl_mechanism}: {_said(error)}", field="kafka.sasl_mechanism"
    )


def _forbidden(error: BaseException, settings: KafkaSettings, _: str) -> PenchantError:
    return InvalidSetting(
        f"Kafka does not allow {_who(settings)} to do this ({_said(error)}); it needs rights to the topics "
        f"{settings.topic_prefix}.* and the groups {settings.group}.*",
        field="kafka.username",
    )


def _missing(error: BaseException, _: KafkaSettings, place: str) -> PenchantError:
    # A broker that has just been started does not know its topics yet: it may go well in a while.
    return Unavailable(f"the topic is not there ({place}: {_said(error)}); is it made? run: penchant topics create")


def _too_large(error: BaseException, _: KafkaSettings, place: str) -> PenchantError:
    return InvalidSetting(f"a record is too large for {place}: {_said(error)}", field="kafka.max_message_bytes")


def _of_tls(error: BaseException, settings: KafkaSettings, place: str) -> PenchantError:
    assert isinstance(error, ssl.SSLError)
    if isinstance(error, ssl.SSLCertVerificationError):
        return InvalidSetting(
            f"the certificate of {place} is not trusted: {error.verify_message}",
            field="kafka.bootstrap" if "match" in error.verify_message else "kafka.ca_file",
        )
    reason = str(error.reason or error)
    if "ALERT" in reason.upper():
        return InvalidSetting(f"{place} refuses our certificate: {reason}", field="kafka.cert_file")
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"):
        return InvalidSetting(
            f"{settings.security_protocol} is not what {place} speaks: {reason}", field="kafka.security_protocol"
        )
    return Unavailable(f"Kafka cannot be reached at {place} with TLS: {reason}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _who(settings: KafkaSettings) -> str:
    if settings.security_protocol.startswith("SASL"):
        return "the bearer of the token" if settings.sasl_mechanism == "OAUTHBEARER" else f"user {settings.username!r}"
    return "the owner of our certificate" if settings.security_protocol == "SSL" else "callers without a name"


def _said(error: BaseException) -> str:
    said = " ".join(str(argument) for argument in error.args if argument) or getattr(error, "message", "")
    return said or type(error).__name__


_Ours = Callable[[BaseException, KafkaSettings, str], PenchantError]
_FAULTS: tuple[tuple[tuple[type[BaseException], ...], _Ours], ...] = (
    ((ssl.SSLError,), _of_tls),
    ((errors.SaslAuthenticationFailed, errors.AuthenticationFailedError), _refused),
    ((errors.UnsupportedSaslMechanismError,), _not_offered),
    (
        (
            errors.TopicAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
            errors.ClusterAuthorizationFailedError,
            errors.TransactionalIdAuthorizationFailed,
        ),
        _forbidden,
    ),
    ((errors.UnknownTopicOrPartitionError, errors.InvalidTopicError), _missing),
    ((errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.RecordTooLargeError), _too_large),
)
"""First match counts."""
