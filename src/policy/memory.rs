//! Answers that were given a moment ago. A decision follows from the set and the question alone, and the
//! time is part of a question to the second: the same question within the same second has the same answer.
//! Who polls asks the same again and again. Nothing here decides.

use std::hash::{BuildHasher, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::decision::Decision;
use super::question::{Action, Resource, Scene};

/// Answers that are remembered, of a few kilobytes each.
const ANSWERS_MAX: u64 = 4_096;
/// For how long: a question is of one second.
const KEPT: Duration = Duration::from_secs(2);

/// What a set has answered lately.
pub(super) struct Memory {
    hasher: RandomState,
    answers: Cache<u64, Arc<Answer>>,
}

/// A question, whole, with its answer.
struct Answer {
    scene: Scene,
    action: Action,
    resource: Resource,
    decision: Decision,
}

impl Answer {
    /// Whether it is the answer to this question: equal in everything, and of the same second.
    fn is_of(&self, scene: &Scene, action: Action, resource: &Resource) -> bool {
        let of = &self.scene;
        self.action == action
            && of.now.as_second() == scene.now.as_second()
            && of.subject == scene.subject
            && of.service == scene.service
            && of.subject_proven == scene.subject_proven
            && self.resource == *resource
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            answers: Cache::builder()
                .max_capacity(ANSWERS_MAX)
                .time_to_live(KEPT)
                .build(),
        }
    }
}

impl Memory {
    /// The answer of a moment ago, or the one that is made now.
    pub(super) fn answer(
        &self,
        scene: &Scene,
        action: Action,
        resource: &Resource,
        decide: impl FnOnce() -> Decision,
    ) -> Decision {
        let key = self.key(scene, action, resource);
        if let Some(known) = self.answers.get(&key)
            && known.is_of(scene, action, resource)
        {
            return known.decision.clone();
        }
        let answer = Answer {
            scene: scene.clone(),
            action,
            resource: resource.clone(),
            decision: decide(),
        };
        let decision = answer.decision.clone();
        self.answers.insert(key, Arc::new(answer));
        decision
    }

    /// Where a question is looked for. Two questions may share it: the later one takes the place.
    fn key(&self, scene: &Scene, action: Action, resource: &Resource) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        action.hash(&mut hasher);
        scene.subject.id().hash(&mut hasher);
        match resource {
            Resource::Instance { arn, .. } => arn.as_str().hash(&mut hasher),
            Resource::Grant { id, .. } => id.hash(&mut hasher),
            Resource::Assignment {
                target,
                beneficiary,
            } => {
                target.target.key().hash(&mut hasher);
                beneficiary.principal.id.as_str().hash(&mut hasher);
            }
            Resource::User(user) => user.id.as_str().hash(&mut hasher),
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::InstanceArn;
    use crate::policy::question::Subject;

    #[test]
    fn the_same_question_in_the_same_second_is_decided_once_and_any_other_anew() {
        let memory = Memory::default();
        let decided = Cell::new(0);
        let arn = InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap();
        let resource = Resource::Instance {
            arn,
            alias: String::new(),
        };
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        let scene = Scene {
            subject: Subject::Service("portal".to_owned()),
            service: None,
            subject_proven: true,
            now: at(1_000),
        };
        let ask = |scene: &Scene, action, resource: &Resource| {
            memory.answer(scene, action, resource, || {
                decided.set(decided.get() + 1);
                Decision {
                    is_allowed: true,
                    policies: Vec::new(),
                    near_misses: Vec::new(),
                    errors: Vec::new(),
                    policy_version: "1".to_owned(),
                }
            });
            decided.get()
        };
        assert_eq!(ask(&scene, Action::ReadGrants, &resource), 1);
        let same_second = Scene {
            now: at(1_999),
            ..scene.clone()
        };
        assert_eq!(ask(&same_second, Action::ReadGrants, &resource), 1);
        let others = [
            Scene {
                now: at(2_000),
                ..scene.clone()
            },
            Scene {
                subject_proven: false,
                ..scene.clone()
            },
            Scene {
                service: Some("portal".to_owned()),
                ..scene.clone()
            },
            Scene {
                subject: Subject::Unmatched("portal".to_owned()),
                ..scene.clone()
            },
        ];
        for (number, other) in others.iter().enumerate() {
            assert_eq!(ask(other, Action::ReadGrants, &resource), number + 2);
        }
        assert_eq!(ask(&scene, Action::ReadAudit, &resource), 6);
        let Resource::Instance { arn, .. } = resource else {
            unreachable!()
        };
        let named = Resource::Instance {
            arn,
            alias: "main".to_owned(),
        };
        assert_eq!(ask(&scene, Action::ReadAudit, &named), 7);
    }
}
