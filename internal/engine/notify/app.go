package notify

import (
	"context"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// AppChannel is the name of the live screen as a channel.
const AppChannel = "app"

// App is the channel to open screens: the live door listens for the person who is signed in.
type App struct {
	mu   sync.Mutex
	next int
	ears map[int]ear
}

type ear struct {
	match func(alarm.Recipient) bool
	hear  func(Message)
}

// NewApp returns a channel that nobody listens to.
func NewApp() *App { return &App{ears: map[int]ear{}} }

// Listen calls hear for every message to a recipient that match accepts (the account itself, or a team it is part of)
// until stop is called. hear must not block.
func (a *App) Listen(match func(alarm.Recipient) bool, hear func(Message)) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	id := a.next
	a.ears[id] = ear{match, hear}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.ears, id)
	}
}

// Send implements Channel; the receipt comes from the screen through Post.Receipt. NotFound: no screen is open.
func (a *App) Send(_ context.Context, m Message, _ string) (State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	heard := false
	for _, e := range a.ears {
		if e.match(m.To) {
			heard = true
			e.hear(m)
		}
	}
	if !heard {
		return Failed, vigil.Errorf(vigil.NotFound, "notify.app", "no screen is open")
	}
	return Sent, nil
}
