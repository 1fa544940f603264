//! The retry budget: repetitions are a part of what is sent, so that an outage of AWS costs at most so much
//! more. Pure; nothing here waits.

/// A repetition, in the hundredths that are counted.
const ONE: u64 = 100;

/// Repetitions that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retries {
    saved: u64,
    most: u64,
    percent: u64,
    refused: u64,
}

impl Retries {
    /// All that may be saved is there at the start.
    pub(super) fn full(saved_max: u32, percent: u64) -> Self {
        let most = u64::from(saved_max) * ONE;
        Self {
            saved: most,
            most,
            percent,
            refused: 0,
        }
    }

    /// An operation was sent.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + self.percent).min(self.most);
    }

    /// Takes a repetition, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let is_there = self.saved >= ONE;
        if is_there {
            self.saved -= ONE;
        } else {
            self.refused += 1;
        }
        is_there
    }

    /// How often there was none.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_a_part_of_what_is_sent_and_never_more_than_saved() {
        let mut retries = Retries::full(3, 50);
        assert_eq!((0..5).filter(|_| retries.take()).count(), 3);
        assert_eq!(retries.refused(), 2);
        for _ in 0..100 {
            retries.earn();
            retries.earn();
            assert!(retries.take());
        }
        assert!(!retries.take());
        (0..1000).for_each(|_| retries.earn());
        assert_eq!((0..5).filter(|_| retries.take()).count(), 3);
    }
}
