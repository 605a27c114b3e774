// Package penchant is the client of Penchant, a service of real-time recommendations over gRPC.
//
// [Dial] makes a [Client]; it is safe for use by many goroutines and reconnects by itself. Events go in by
// [Client.Record], one at a time, or by a [Recorder], which holds one long stream. Lists come out by [Client.Recommend],
// [Client.Similar] and [Client.Search], and, following the user as the interest moves, by [Client.Stream] and
// [Client.Watch].
//
// Every call takes a context. A unary call whose context has no deadline gets the client's own ([WithTimeout], 5 s), and
// is tried again within it when the service is unavailable ([WithRetries]). Errors are [*Error]:
//
//	if errors.Is(err, penchant.ErrNotFound) { … }
//
//	var failure *penchant.Error
//	if errors.As(err, &failure) { log.Print(failure.Reason, failure.Field, failure.RetryAfter) }
//
// Calls that the client does not cover are made with the generated stubs, [Client.Raw].
package penchant
