package penchant

import (
	"errors"
	"io"
	"sync"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// remembered is how many updates the service remembers of a connection, to know which one positions were shown of.
const remembered = 16

// mailbox keeps what came over one connection until the reader asks for it: one update, the newest. Updates are read as
// they come and merged while they wait, so that they take bounded memory.
type mailbox struct {
	first   uint64        // the last update given when the connection began; the service knows none before it
	arrived chan struct{} // holds at most one: something came
	ended   chan struct{} // closed when nothing more comes
	failure error         // why; nil: the service ended it

	mu     sync.Mutex
	update *penchantv1.RecommendationUpdate // nil: nothing waits
	newest uint64                           // number of the newest update that came, or first
}

func newMailbox(first uint64) *mailbox {
	return &mailbox{first: first, newest: first, arrived: make(chan struct{}, 1), ended: make(chan struct{})}
}

// read puts what is received, until the connection ends.
func (m *mailbox) read(receive receiver) {
	defer close(m.ended)
	for {
		update, err := receive()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			m.failure = errorOf(err)
			return
		}
		if update != nil { // a later service may say things that are not known here
			m.put(update)
		}
	}
}

func (m *mailbox) put(update *penchantv1.RecommendationUpdate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newest = max(m.newest, update.GetStreamSequence())
	if m.update != nil {
		update = merged(m.update, update)
	}
	m.update = update
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

// take returns what came since the last time, as one update, and waits for it. When the connection has ended and all is
// taken, it returns nil, and what ended it.
func (m *mailbox) take() (*penchantv1.RecommendationUpdate, error) {
	for {
		ended := false
		select {
		case <-m.arrived:
		case <-m.ended:
			ended = true
		}
		if update := m.collect(); update != nil {
			return update, nil
		}
		if ended {
			return nil, m.failure
		}
	}
}

func (m *mailbox) collect() *penchantv1.RecommendationUpdate {
	m.mu.Lock()
	defer m.mu.Unlock()
	update := m.update
	m.update = nil
	return update
}

// remembers reports whether the service still knows an update that was given, as far as one can tell from here.
func (m *mailbox) remembers(sequence uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sequence >= m.first && m.newest < sequence+remembered
}
