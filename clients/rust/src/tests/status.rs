use super::*;
use crate::error::Kind;

fn any<M: Message + Name>(message: &M) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

fn violation(field: &str) -> BadRequest {
    BadRequest { field_violations: vec![FieldViolation { field: field.into() }] }
}

#[test]
fn the_details_of_an_error_are_unpacked() {
    let error = from_message(rpc::Status {
        code: 8,
        message: "full".into(),
        details: vec![
            any(&ErrorInfo { reason: "TOO_MANY".into() }),
            any(&violation("event.value")),
            any(&RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }) }),
        ],
    });
    assert_eq!(error.kind(), Kind::Overloaded);
    assert_eq!((error.reason(), error.field(), error.message()), ("TOO_MANY", "event.value", "full"));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
    assert_eq!(error.to_string(), "Overloaded: full");
}

#[test]
fn an_advice_to_try_again_at_once_is_an_advice() {
    let advised = |details| from_message(rpc::Status { code: 8, message: String::new(), details }).retry_after();
    assert_eq!(advised(vec![any(&RetryInfo { retry_delay: None })]), Some(Duration::ZERO));
    assert_eq!(advised(vec![]), None);
}

#[test]
fn what_a_later_service_says_is_passed_over_or_given_as_it_is() {
    let mut info = any(&ErrorInfo { reason: "NEWS".into() });
    info.value.extend(b"\x12\x08penchant\xc2\x3e\x04news"); // the domain, and a field of a later contract
    let unknown = prost_types::Any { type_url: "later/penchant.v9.News".into(), value: vec![255] };
    let broken = prost_types::Any { type_url: "x/google.rpc.BadRequest".into(), value: vec![255] };
    let error = from_message(rpc::Status { code: 5, message: "m".into(), details: vec![unknown, info, broken] });
    assert_eq!((error.kind(), error.reason(), error.field()), (Kind::NotFound, "NEWS", ""));
    assert_eq!(from_message(rpc::Status { code: 99, ..rpc::Status::default() }).kind(), Kind::Internal);
}

#[test]
fn every_code_has_its_kind() {
    let kinds = (1..=16).map(|code| Kind::of(Code::from_i32(code)).to_string());
    let wanted = [
        "Cancelled",
        "Internal",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "FailedPrecondition",
        "PermissionDenied",
        "Overloaded",
        "FailedPrecondition",
        "FailedPrecondition",
        "InvalidArgument",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "Internal",
        "Unauthenticated",
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), wanted);
}

#[test]
fn a_connection_that_ends_is_one_that_is_gone() {
    let broken = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "broken pipe");
    let error = from_call(Status::from_error(Box::new(broken)));
    assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "broken pipe"));
    assert!(std::error::Error::source(&error).is_some());
    let late = from_call(Status::from_error(Box::new(tonic::TimeoutExpired(()))));
    assert_eq!(late.kind(), Kind::DeadlineExceeded);
    let said = from_call(Status::unknown("a fault"));
    assert_eq!(said.kind(), Kind::Internal);
}
