package penchant

import (
	"container/list"
	"sync"
)

// rememberedUsers bounds what reading one's own writes costs: some 2 MB.
const rememberedUsers = 10_000

// tokens remembers the last freshness token of each user, the oldest going first when there are too many. A nil *tokens
// remembers nothing.
type tokens struct {
	mu     sync.Mutex
	most   int
	byUser map[string]*list.Element
	byAge  *list.List // of userToken, the newest in front
}

type userToken struct {
	userID string
	token  string
}

func newTokens(most int) *tokens {
	return &tokens{most: most, byUser: make(map[string]*list.Element), byAge: list.New()}
}

// remember keeps the token of a user's latest write.
func (t *tokens) remember(userID, token string) {
	if t == nil || token == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.byUser[userID]; ok {
		known.Value = userToken{userID, token}
		t.byAge.MoveToFront(known)
		return
	}
	t.byUser[userID] = t.byAge.PushFront(userToken{userID, token})
	if len(t.byUser) > t.most {
		oldest := t.byAge.Remove(t.byAge.Back()).(userToken)
		delete(t.byUser, oldest.userID)
	}
}

// of returns the token of the user's latest write, empty when there is none.
func (t *tokens) of(userID string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.byUser[userID]; ok {
		return known.Value.(userToken).token
	}
	return ""
}
