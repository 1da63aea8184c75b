//! What one user may have of this server: calls a minute, and prices that are open at the same time.
//!
//! Kept in memory, a process: it holds off a client that runs wild, and nothing depends on its count. A process that begins
//! anew counts anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::app::App;
use crate::checkout::session::SessionState;
use crate::error::{Code, ToolError};
use crate::ids::{CorrelationId, SessionId, UserId};
use crate::journal::JournalError;
use crate::policy::UserPolicy;
use crate::time;

/// What the users have had of late. Its size is bounded by the limits: users are those that the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<BTreeMap<UserId, Usage>>>);

#[derive(Debug, Default)]
struct Usage {
    /// When the calls of the last window began, the oldest first.
    calls: VecDeque<Instant>,
    /// Sessions that were open when last looked at, and when they expire.
    sessions: Vec<(SessionId, Timestamp)>,
    /// Sessions that are being made.
    begun: usize,
}

impl Limits {
    fn users(&self) -> MutexGuard<'_, BTreeMap<UserId, Usage>> {
        self.0.lock().expect("no holder of the limits panics")
    }

    /// Counts a call; else how long until the next one is taken.
    pub fn admit(&self, user: &UserId, now: Instant, policy: UserPolicy) -> Result<(), Duration> {
        let mut users = self.users();
        if !users.contains_key(user) {
            users.insert(user.clone(), Usage::default());
        }
        let calls = &mut users.get_mut(user).expect("it was made above").calls;
        while calls.front().is_some_and(|call| now.duration_since(*call) >= policy.calls_window) {
            calls.pop_front();
        }
        match calls.front() {
            Some(first) if calls.len() >= usize::try_from(policy.calls_max).unwrap_or(usize::MAX) => {
                Err(policy.calls_window.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                calls.push_back(now);
                Ok(())
            }
        }
    }

    /// A place for one more session of a user; else the sessions that fill them.
    fn place(&self, user: &UserId, now: Timestamp, policy: UserPolicy) -> Result<Place, Vec<SessionId>> {
        let mut users = self.users();
        let usage = users.entry(user.clone()).or_default();
        usage.sessions.retain(|(_, expires_at)| *expires_at > now);
        if usage.sessions.len() + usage.begun >= usize::try_from(policy.sessions_max).unwrap_or(usize::MAX) {
            return Err(usage.sessions.iter().map(|(id, _)| id.clone()).collect());
        }
        usage.begun += 1;
        Ok(Place { of: self.clone(), user: user.clone() })
    }

    /// Forgets a session that is no longer open.
    pub(crate) fn forget(&self, user: &UserId, session: &SessionId) {
        if let Some(usage) = self.users().get_mut(user) {
            usage.sessions.retain(|(id, _)| id != session);
        }
    }

    /// How long until the first of a user's sessions has expired. Where they are all still being made, one that is made as
    /// late as it can be: `making` is how long a call may take for that, and `lasts` how long a session is open.
    fn wait(&self, user: &UserId, now: Timestamp, making: Duration, lasts: Duration) -> Duration {
        let users = self.users();
        let first = users.get(user).and_then(|usage| usage.sessions.iter().map(|(_, expires_at)| *expires_at).min());
        first.map_or(making + lasts, |first| time::until(now, first))
    }
}

/// A place for a session that is being made; given back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Limits,
    user: UserId,
}

impl Place {
    /// The session was made.
    pub fn taken_by(self, session: SessionId, expires_at: Timestamp) {
        if let Some(usage) = self.of.users().get_mut(&self.user) {
            usage.sessions.push((session, expires_at));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(usage) = self.of.users().get_mut(&self.user) {
            usage.begun -= 1;
        }
    }
}

/// The user has made too many calls.
pub fn too_many_calls(policy: UserPolicy, wait: Duration, correlation: &CorrelationId) -> Box<ToolError> {
    let (calls, window) = (policy.calls_max, policy.calls_window);
    let message = format!("more than {calls} calls within {window:?}; this one was not made, wait for retry_after_ms");
    ToolError::new(Code::LimitReached, message, correlation).retry_after(Some(wait))
}

/// A place for one more session of a user, or why there is none.
pub async fn place_for_session(app: &App, user: &UserId, correlation: &CorrelationId) -> Result<Place, Box<ToolError>> {
    let policy = app.policy().users;
    let full = match app.limits.place(user, app.now(), policy) {
        Ok(place) => return Ok(place),
        Err(full) => full,
    };
    // They may have been paid or left since.
    for id in full {
        let found = app.session(&id).await.map_err(|error: JournalError| App::store_error(&error, correlation))?;
        if found.is_none_or(|(_, session)| session.state != SessionState::Open) {
            app.limits.forget(user, &id);
        }
    }
    app.limits.place(user, app.now(), policy).map_err(|_| {
        let wait = app.limits.wait(user, app.now(), app.policy().tool_deadline, app.policy().quote_ttl);
        let message = format!(
            "{} checkout sessions of this user are open; pay or leave one of them (going back with \
             user_navigated_to_step leaves it), or wait until one expires",
            policy.sessions_max
        );
        ToolError::new(Code::LimitReached, message, correlation).retry_after(Some(wait))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> UserPolicy {
        UserPolicy { calls_max: 3, calls_window: SECOND * 60, sessions_max: 2 }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_the_limit_are_told_when_the_next_is_taken_and_count_for_nobody_else() {
        let limits = Limits::default();
        let (ann, bob) = (UserId::from("ann"), UserId::from("bob"));
        for _ in 0..3 {
            assert_eq!(limits.admit(&ann, Instant::now(), policy()), Ok(()));
            tokio::time::advance(SECOND * 10).await;
        }
        for left in [30, 29] {
            assert_eq!(limits.admit(&ann, Instant::now(), policy()), Err(SECOND * left));
            tokio::time::advance(SECOND).await;
        }
        assert_eq!(limits.admit(&bob, Instant::now(), policy()), Ok(()));
        tokio::time::advance(SECOND * 28).await;
        assert_eq!(limits.admit(&ann, Instant::now(), policy()), Ok(()), "after as long as was told");
        assert_eq!(limits.admit(&ann, Instant::now(), policy()), Err(SECOND * 10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_of_a_user_does_not_grow_with_the_calls() {
        let limits = Limits::default();
        for _ in 0..10_000 {
            let _ = limits.admit(&"ann".into(), Instant::now(), policy());
            tokio::time::advance(SECOND).await;
        }
        assert!(limits.users()[&UserId::from("ann")].calls.len() <= 3);
    }

    #[test]
    fn a_place_is_taken_from_when_a_session_is_begun_until_it_expires() {
        let limits = Limits::default();
        let ann = UserId::from("ann");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let place = |at| limits.place(&ann, at, policy());
        place(now).unwrap().taken_by("cs_1".into(), time::add(now, SECOND * 10));
        let begun = place(now).unwrap();
        assert_eq!(place(now).unwrap_err(), [SessionId::from("cs_1")]);
        drop(begun);
        place(now).unwrap().taken_by("cs_2".into(), time::add(now, SECOND * 20));
        assert_eq!(place(now).unwrap_err(), ["cs_1", "cs_2"].map(SessionId::from));
        assert_eq!(limits.wait(&ann, now, SECOND, SECOND * 30), SECOND * 10);
        assert!(place(time::add(now, SECOND * 10)).is_ok());
        limits.forget(&ann, &"cs_2".into());
        assert!(limits.users()[&ann].sessions.is_empty());
    }

    #[test]
    fn whoever_waits_as_long_as_was_told_while_sessions_are_being_made_finds_a_place() {
        let limits = Limits::default();
        let ann = UserId::from("ann");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (making, lasts) = (SECOND * 5, SECOND * 30);
        let places = [(); 2].map(|()| limits.place(&ann, now, policy()).unwrap());
        assert_eq!(limits.place(&ann, now, policy()).unwrap_err(), []);
        let free = time::add(now, limits.wait(&ann, now, making, lasts));
        // Both are made as late as they can be.
        let expires_at = time::add(time::add(now, making), lasts);
        for (place, id) in places.into_iter().zip(["cs_1", "cs_2"]) {
            place.taken_by(id.into(), expires_at);
        }
        assert!(limits.place(&ann, free, policy()).is_ok());
    }
}
