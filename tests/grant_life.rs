//! The grant's life against a model that knows nothing of its code: random histories, each step
//! judged by both, and what must hold of every history checked beside. `USHER_GRANT_HISTORIES` says
//! how many; 100,000 without it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use jiff::{SignedDuration, Timestamp};
use usher::domain::{
    ApplicationArn, AssignmentKey, CallerName, ErrorKind, Extension, FailedAttempt, Failure, Grant,
    GrantId, GrantState, InstanceArn, Justification, Operation, PrincipalId, PrincipalKind,
    PrincipalRef, Requester, Target, Ticket, Transition,
};

use GrantState::{
    Active, Cancelled, Denied, Expired, Failed, Lapsed, PendingApproval, Provisioning, Revoked,
    Revoking, Scheduled,
};

const STEPS: usize = 24;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// What happens, without what is written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Review,
    Open,
    Start,
    Deny,
    Lapse,
    LookAt,
    /// To this end, to be agreed to until then.
    Ask(i64, i64),
    Extend,
    Drop,
    ReviewAfterwards,
    Activate,
    Fail,
    Revoke,
    TimeOver,
    Finish,
}

/// DESIGN.md §3, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    state: GrantState,
    lapses: Option<i64>,
    start_asked: Option<i64>,
    duration: Option<i64>,
    end: Option<i64>,
    wish: Option<(i64, i64)>,
    is_expiry: bool,
    review_due: bool,
}

impl Model {
    /// What comes of a step; none where it does not fit.
    fn after(self, step: Step, now: i64) -> Option<Self> {
        if step == Step::ReviewAfterwards {
            return self.review_due.then_some(Self {
                review_due: false,
                ..self
            });
        }
        let state = match self.state {
            PendingApproval => self.of_pending(step, now)?,
            Scheduled => self.of_scheduled(step, now)?,
            Active => return self.of_active(step, now),
            Provisioning => match step {
                Step::Activate => {
                    return Some(Self {
                        state: Active,
                        end: self.duration.map(|it| now + it),
                        ..self
                    });
                }
                Step::Fail => Failed,
                Step::Revoke => Revoking,
                _ => return None,
            },
            Revoking if step == Step::Finish && self.is_expiry => Expired,
            Revoking if step == Step::Finish => Revoked,
            _ => return None,
        };
        Some(Self { state, ..self })
    }

    fn of_pending(self, step: Step, now: i64) -> Option<GrantState> {
        let in_time = self.lapses.is_none_or(|at| now < at);
        Some(match step {
            Step::Review if in_time => PendingApproval,
            Step::Open if in_time && self.start_asked.is_some_and(|at| at > now) => Scheduled,
            Step::Open if in_time => Provisioning,
            Step::Deny => Denied,
            Step::Lapse => Lapsed,
            Step::Revoke => Cancelled,
            Step::LookAt => PendingApproval,
            _ => return None,
        })
    }

    fn of_scheduled(self, step: Step, now: i64) -> Option<GrantState> {
        Some(match step {
            Step::Start if self.start_asked.is_none_or(|at| at <= now) => Provisioning,
            Step::Deny => Denied,
            Step::Revoke => Cancelled,
            Step::LookAt => Scheduled,
            _ => return None,
        })
    }

    fn of_active(self, step: Step, now: i64) -> Option<Self> {
        let over = self.end.is_some_and(|end| end <= now);
        let ending = |is_expiry| Self {
            state: Revoking,
            wish: None,
            is_expiry,
            ..self
        };
        match (step, self.wish) {
            (Step::Revoke, _) => Some(ending(false)),
            (Step::TimeOver, _) if over => Some(ending(true)),
            (Step::Ask(end, until), None) if !over && self.end.is_some_and(|old| end > old) => {
                Some(Self {
                    wish: Some((end, until)),
                    ..self
                })
            }
            (Step::LookAt, Some(_)) => Some(self),
            (Step::Review, Some((_, until))) if now < until => Some(self),
            (Step::Extend, Some((end, until))) if !over && now < until => Some(Self {
                end: Some(end),
                wish: None,
                ..self
            }),
            (Step::Drop, Some(_)) => Some(Self { wish: None, ..self }),
            _ => None,
        }
    }
}

fn name(text: &str) -> CallerName {
    CallerName::parse(text).unwrap()
}

fn bare() -> Grant {
    let key = AssignmentKey {
        instance_arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap(),
        principal: PrincipalRef {
            kind: PrincipalKind::User,
            id: PrincipalId::parse("04261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap(),
        },
        target: Target::Application(
            ApplicationArn::parse(
                "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef",
            )
            .unwrap(),
        ),
    };
    let id = GrantId::from_uuid(uuid::Uuid::from_u128(1));
    Grant::new(id, key, Requester::itself(name("anna")), at(0))
}

/// A grant as a request may leave it.
fn first(random: &mut fastrand::Rng, bare: &Grant) -> (Grant, Model) {
    let state = [PendingApproval, PendingApproval, Scheduled, Provisioning][random.usize(0..4)];
    let break_glass = state == Provisioning && random.bool();
    let start = (state == Scheduled || state == PendingApproval && random.bool())
        .then(|| random.i64(1..400));
    let lapses = (state == PendingApproval).then(|| random.i64(1..400));
    let duration = (random.u8(0..5) > 0).then(|| random.i64(1..200));
    let grant = Grant {
        state,
        break_glass,
        review_due: break_glass,
        start_asked_at: start.map(at),
        lapses_at: lapses.map(at),
        look_at: lapses.or(start).map(at).filter(|_| state.is_waiting()),
        duration: duration.map(SignedDuration::from_secs),
        ..bare.clone()
    };
    let model = Model {
        state,
        lapses,
        start_asked: start,
        duration,
        end: None,
        wish: None,
        is_expiry: false,
        review_due: break_glass,
    };
    (grant, model)
}

fn any_step(random: &mut fastrand::Rng, now: i64) -> Step {
    match random.u8(0..22) {
        0 | 1 => Step::Review,
        2 | 3 => Step::Open,
        4 | 5 => Step::Start,
        6 => Step::Deny,
        7 => Step::Lapse,
        8 => Step::LookAt,
        9..=11 => Step::Ask(now + random.i64(-20..300), now + random.i64(1..60)),
        12 | 13 => Step::Extend,
        14 => Step::Drop,
        15 => Step::ReviewAfterwards,
        16 | 17 => Step::Activate,
        18 => Step::Fail,
        19 => Step::Revoke,
        20 => Step::TimeOver,
        _ => Step::Finish,
    }
}

fn transition(step: Step, grant: &Grant, now: i64) -> Transition {
    let reason = Justification::default;
    let (policies, policy_version) = (vec!["path".to_owned()], "1".to_owned());
    match step {
        Step::Review => Transition::Review,
        Step::Open => Transition::Open {
            policies,
            policy_version,
        },
        Step::Start => Transition::Start {
            policies,
            policy_version,
        },
        Step::Deny => Transition::Deny {
            by: Some(name("carla")),
            reason: reason(),
        },
        Step::Lapse => Transition::Lapse { reason: reason() },
        Step::LookAt => Transition::LookAt(at(now + 60)),
        Step::Ask(end, until) => {
            let wish = Extension {
                round: grant.extension_count + 1,
                requester: grant.requester.clone(),
                end_at: at(end),
                justification: reason(),
                ticket: Ticket::default(),
                paths: Vec::new(),
                digest: String::new(),
                lapses_at: at(until),
            };
            Transition::AskExtension(Box::new(wish), at(until))
        }
        Step::Extend => Transition::Extend {
            policies,
            policy_version,
        },
        Step::Drop => Transition::DropExtension,
        Step::ReviewAfterwards => Transition::ReviewAfterwards,
        Step::Activate => Transition::Activate,
        Step::Fail => Transition::Fail(FailedAttempt {
            failure: Failure::new(
                ErrorKind::Validation,
                Operation::CreateApplicationAssignment,
            ),
            at: at(now),
        }),
        Step::Revoke => Transition::Revoke {
            by: name("anna"),
            reason: reason(),
        },
        Step::TimeOver => Transition::TimeOver,
        Step::Finish => Transition::Finish,
    }
}

/// What the model says of a grant.
#[track_caller]
fn check_equal(grant: &Grant, model: &Model, why: &str) {
    assert_eq!(grant.state, model.state, "{why}");
    assert_eq!(grant.end_at, model.end.map(at), "{why}");
    assert_eq!(grant.review_due, model.review_due, "{why}");
    let wish = grant.extension.as_ref().map(|it| (it.end_at, it.lapses_at));
    let expected = model.wish.map(|(end, until)| (at(end), at(until)));
    assert_eq!(wish, expected, "{why}");
}

/// What holds of one step, whatever any model says.
#[track_caller]
fn check_step(before: &Grant, after: &Grant, step: Step, why: &str) {
    assert_eq!(after.version, before.version + 1, "{why}");
    if before.state.is_over() {
        assert_eq!(after.state, before.state, "nothing leaves its end: {why}");
        assert_eq!(step, Step::ReviewAfterwards, "{why}");
    }
    if after.state == Provisioning && before.state != Provisioning {
        let is_paid = matches!(step, Step::Open | Step::Start);
        assert!(is_paid, "nothing begins unpaid: {why}");
        assert!(before.state.is_waiting(), "{why}");
    }
    if after.end_at != before.end_at {
        let may_move = matches!(step, Step::Activate | Step::Extend);
        assert!(may_move, "the end moves by itself: {why}");
        let later = before.end_at.is_none_or(|end| after.end_at > Some(end));
        assert!(later, "more time is more: {why}");
    }
    if before.started_at.is_some() {
        assert_eq!(after.started_at, before.started_at, "{why}");
    }
    if before.ending.is_some() {
        assert_eq!(after.ending, before.ending, "one ending: {why}");
    }
    assert_eq!(after.state.is_over(), after.ended_at.is_some(), "{why}");
    // Nothing is stuck: whatever waits is looked at again, and what is over is not.
    let waits = after.state.is_waiting() || after.extension.is_some();
    assert_eq!(after.look_at.is_some(), waits, "{why}");
}

/// Whether a history reached each state.
type Reached = std::collections::BTreeMap<GrantState, usize>;

fn history(seed: u64, bare: &Grant, reached: &mut Reached) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut grant, mut model) = first(&mut random, bare);
    let (mut now, mut ends) = (0, 0);
    let digest = seed.is_multiple_of(64).then(|| grant.digest());
    for number in 0..STEPS {
        now += random.i64(0..40);
        let step = any_step(&mut random, now);
        let expected = model.after(step, now);
        let told = grant.apply(transition(step, &grant, now), at(now));
        let why = format_args!("seed {seed}, step {number}: {step:?} at {now} on {model:?}");
        assert_eq!(told.is_ok(), expected.is_some(), "{why}");
        let (Ok(after), Some(expected)) = (told, expected) else {
            continue;
        };
        let why = why.to_string();
        check_equal(&after, &expected, &why);
        check_step(&grant, &after, step, &why);
        ends += usize::from(after.state.is_over() && !grant.state.is_over());
        assert!(ends <= 1, "one terminal decision: {why}");
        (grant, model) = (after, expected);
        *reached.entry(grant.state).or_default() += 1;
    }
    if let Some(digest) = digest {
        // What was agreed to stays what it is, but for more time, which has a digest of its own.
        let mut as_asked = grant;
        as_asked.duration = model.duration.map(SignedDuration::from_secs);
        assert_eq!(as_asked.digest(), digest, "seed {seed}");
    }
}

#[test]
fn random_histories_go_as_the_design_says() {
    let wanted = std::env::var("USHER_GRANT_HISTORIES").ok();
    let histories: u64 = wanted.map_or(100_000, |text| text.parse().unwrap());
    let (bare, mut reached) = (bare(), Reached::new());
    for seed in 0..histories {
        history(seed, &bare, &mut reached);
    }
    for state in GrantState::ALL {
        assert!(reached.contains_key(&state), "never {state:?}: {reached:?}");
    }
}
