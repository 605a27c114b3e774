package penchant

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind says what a caller may want to do about an error. It is an error itself, to compare with:
//
//	errors.Is(err, penchant.ErrOverloaded)
type Kind string

// The kinds of errors.
const (
	// ErrInvalidArgument: a value is outside its limits; nothing was changed. [Error.Field] names it.
	ErrInvalidArgument Kind = "InvalidArgument"
	// ErrNotFound: the item is not in the catalogue.
	ErrNotFound Kind = "NotFound"
	// ErrFailedPrecondition: the request does not fit the state, for example a token that belongs to other data.
	ErrFailedPrecondition Kind = "FailedPrecondition"
	// ErrUnauthenticated: the credentials are missing or wrong.
	ErrUnauthenticated Kind = "Unauthenticated"
	// ErrPermissionDenied: the credentials do not allow this.
	ErrPermissionDenied Kind = "PermissionDenied"
	// ErrUnimplemented: the service does not know this call; it is older than the client.
	ErrUnimplemented Kind = "Unimplemented"
	// ErrOverloaded: refused before any work was done; try again after [Error.RetryAfter].
	ErrOverloaded Kind = "Overloaded"
	// ErrUnavailable: the service cannot be reached, and the client's retries are used up.
	ErrUnavailable Kind = "Unavailable"
	// ErrDeadlineExceeded: no answer came within the deadline; the call may still have had its effect.
	ErrDeadlineExceeded Kind = "DeadlineExceeded"
	// ErrCancelled: the call was ended from outside, by its context or because the client was closed.
	ErrCancelled Kind = "Cancelled"
	// ErrInternal: a fault of the service, or an answer that breaks the contract.
	ErrInternal Kind = "Internal"
)

// Error returns the kind's name.
func (k Kind) Error() string { return string(k) }

var kinds = map[codes.Code]Kind{
	codes.InvalidArgument:    ErrInvalidArgument,
	codes.OutOfRange:         ErrInvalidArgument,
	codes.NotFound:           ErrNotFound,
	codes.FailedPrecondition: ErrFailedPrecondition,
	codes.AlreadyExists:      ErrFailedPrecondition,
	codes.Aborted:            ErrFailedPrecondition,
	codes.Unauthenticated:    ErrUnauthenticated,
	codes.PermissionDenied:   ErrPermissionDenied,
	codes.Unimplemented:      ErrUnimplemented,
	codes.ResourceExhausted:  ErrOverloaded,
	codes.Unavailable:        ErrUnavailable,
	codes.DeadlineExceeded:   ErrDeadlineExceeded,
	codes.Canceled:           ErrCancelled,
}

// Error is what the service answers with instead of a result, and what the client itself refuses.
type Error struct {
	// Kind is for [errors.Is].
	Kind Kind
	// Code is gRPC's status code.
	Code codes.Code
	// Reason is a stable name for programs, for example UNKNOWN_ITEM; empty when the service gave none.
	Reason string
	// Field is the request's field at fault; empty when none was named.
	Field string
	// Message tells people what happened and what to do about it.
	Message string
	// RetryAfter is how long to wait before trying again, 0 or more; nil when the service gave no advice.
	RetryAfter *time.Duration

	cause error
}

// Error returns the kind and the message.
func (e *Error) Error() string { return "penchant: " + string(e.Kind) + ": " + e.Message }

// Unwrap returns gRPC's own error, or the context's; nil when there is none.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the error's [Kind], or the context's error that stands for the same.
func (e *Error) Is(target error) bool {
	switch target {
	case e.Kind:
		return true
	case context.DeadlineExceeded:
		return e.Kind == ErrDeadlineExceeded
	case context.Canceled:
		return e.Kind == ErrCancelled
	}
	return false
}

// errorOf returns the error that a failed call stands for; nil for nil.
func errorOf(err error) error {
	if err == nil {
		return nil
	}
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	answer, _ := status.FromError(err) // UNKNOWN for an error of anyone else
	failure := errorOfStatus(answer.Proto())
	failure.cause = err
	return failure
}

// endOf returns why a context ended: the client's own reason, or the context's error with the caller's cause below it.
func endOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	var ours *Error
	if errors.As(cause, &ours) {
		return ours
	}
	failure := errorOfStatus(status.FromContextError(ctx.Err()).Proto())
	failure.cause = cause
	return failure
}

// errorOfStatus unpacks the details that the client knows.
func errorOfStatus(message *statuspb.Status) *Error {
	answer := status.FromProto(message)
	failure := &Error{Kind: ErrInternal, Code: answer.Code(), Message: answer.Message()}
	if kind, ok := kinds[failure.Code]; ok {
		failure.Kind = kind
	}
	if failure.Message == "" {
		failure.Message = failure.Code.String()
	}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.Reason = detail.GetReason()
		case *errdetails.BadRequest:
			if violations := detail.GetFieldViolations(); len(violations) > 0 {
				failure.Field = violations[0].GetField()
			}
		case *errdetails.RetryInfo:
			failure.RetryAfter = new(max(0, detail.GetRetryDelay().AsDuration()))
		}
	}
	return failure
}

// isUnavailable reports whether a stream that ended so may be opened again.
func isUnavailable(err error) bool { return errors.Is(err, ErrUnavailable) }

func invalid(field, message string) *Error {
	return &Error{
		Kind: ErrInvalidArgument, Code: codes.InvalidArgument,
		// The service's own name for it, so that a caller need not know who refused.
		Reason: "INVALID_FIELD", Field: field, Message: field + ": " + message,
	}
}

func internal(message string) *Error {
	return &Error{Kind: ErrInternal, Code: codes.Internal, Message: message}
}

func deadlineExceeded(message string) *Error {
	return &Error{Kind: ErrDeadlineExceeded, Code: codes.DeadlineExceeded, Message: message}
}

func unavailable(message string) *Error {
	return &Error{Kind: ErrUnavailable, Code: codes.Unavailable, Message: message}
}
