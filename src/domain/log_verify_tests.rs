//! Chains that were tampered with in every way that a hand at the database has, and chains that were
//! not: the verifier accepts exactly the latter.

use proptest::prelude::*;

use super::*;

/// A chain of so many events.
fn chain(length: u64) -> Vec<LogRecord> {
    let mut end = Link::BEGINNING;
    let records = (0..length).map(|number| {
        let record = LogRecord::after(&end, format!("{{\"number\":\"{number}\"}}"));
        end = record.link();
        record
    });
    records.collect()
}

fn anchor_at(records: &[LogRecord], position: usize) -> Link {
    records[position - 1].link()
}

fn verify(records: &[LogRecord], anchors: &[Link]) -> Result<Whole, BadRecord> {
    let mut verifier = Verifier::new(0, Some(Link::BEGINNING.hash), anchors);
    for record in records {
        verifier.take(record);
    }
    verifier.finish()
}

fn bad(position: u64, fault: Fault) -> Result<Whole, BadRecord> {
    Err(BadRecord { position, fault })
}

/// The records with the places of a chain, whatever they hold.
fn numbered(mut records: Vec<LogRecord>) -> Vec<LogRecord> {
    for (place, record) in (1..).zip(&mut records) {
        record.position = place;
    }
    records
}

#[test]
fn a_chain_that_nobody_touched_is_whole() {
    let records = chain(9);
    let whole = verify(&records, &[anchor_at(&records, 3), anchor_at(&records, 9)]).unwrap();
    assert_eq!((whole.count, whole.end), (9, records[8].link()));
    assert_eq!(verify(&[], &[]).unwrap().end, Link::BEGINNING);
}

#[test]
fn an_edit_is_named() {
    let mut records = chain(9);
    records[4].body = "{\"number\":\"40\"}".to_owned();
    assert_eq!(verify(&records, &[]), bad(5, Fault::Edited));
    // With its hash made anew the next one does not continue it; the last one has no next.
    let link = records[3].link();
    records[4] = LogRecord::after(&link, records[4].body.clone());
    assert_eq!(verify(&records, &[]), bad(5, Fault::Rewritten));
    let mut records = chain(9);
    let anchor = anchor_at(&records, 9);
    records[8] = LogRecord::after(&records[7].link(), "{}".to_owned());
    assert!(verify(&records, &[]).is_ok());
    assert_eq!(verify(&records, &[anchor]), bad(9, Fault::Rewritten));
}

#[test]
fn a_removal_is_named_whether_or_not_places_are_given_anew() {
    let mut records = chain(9);
    records.drain(3..5);
    assert_eq!(verify(&records, &[]), bad(4, Fault::Removed { until: 5 }));
    let mut records = chain(9);
    records.remove(3);
    let records = numbered(records);
    assert_eq!(verify(&records, &[]), bad(4, Fault::Removed { until: 4 }));
    let mut records = chain(9);
    records.remove(0);
    assert_eq!(verify(&records, &[]), bad(1, Fault::Removed { until: 1 }));
}

#[test]
fn another_order_is_named() {
    let mut records = chain(9);
    records.swap(2, 6);
    assert_eq!(verify(&records, &[]), bad(3, Fault::Reordered));
    assert_eq!(verify(&numbered(records), &[]), bad(3, Fault::Reordered));
    let mut records = chain(9);
    let body = records[2].body.clone();
    records[2].body = std::mem::replace(&mut records[6].body, body);
    assert_eq!(verify(&records, &[]), bad(3, Fault::Reordered));
    let mut records = chain(9);
    records.insert(5, records[2].clone());
    assert_eq!(verify(&records, &[]), bad(3, Fault::Reordered));
}

#[test]
fn a_cut_is_found_with_a_head_alone() {
    let records = chain(9);
    let anchor = anchor_at(&records, 8);
    let cut = &records[..6];
    assert!(verify(cut, &[]).is_ok());
    assert_eq!(verify(cut, &[anchor]), bad(7, Fault::Cut { until: 8 }));
}

#[test]
fn a_chain_whose_beginning_was_removed_continues_its_checkpoint_or_nothing() {
    let records = chain(9);
    let checkpoint = records[3].link();
    let go = |hash: Option<LogHash>, records: &[LogRecord]| {
        let mut verifier = Verifier::new(4, hash, &[anchor_at(&chain(9), 2)]);
        for record in records {
            verifier.take(record);
        }
        verifier.finish()
    };
    assert!(go(Some(checkpoint.hash), &records[4..]).is_ok());
    assert!(go(None, &records[4..]).is_ok());
    for hash in [None, Some(checkpoint.hash)] {
        let late = go(hash, &records[5..]);
        assert_eq!(late, bad(5, Fault::Removed { until: 5 }));
    }
    let other = records[0].hash;
    assert_eq!(go(Some(other), &records[4..]), bad(5, Fault::Rewritten));
    // A checkpoint that a copy of it elsewhere contradicts is no beginning.
    let known = Verifier::new(4, Some(other), &[checkpoint]).finish();
    assert_eq!(known, bad(4, Fault::Rewritten));
}

/// What a hand at the database does.
#[derive(Debug, Clone)]
enum Deed {
    Nothing,
    Edit(usize, u8),
    Remove(usize, usize),
    Swap(usize, usize),
    SwapBodies(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
    HashAnew(usize),
}

fn deeds() -> impl Strategy<Value = (Deed, bool)> {
    let place = || 0..20_usize;
    let deed = prop_oneof![
        Just(Deed::Nothing),
        (place(), 0..=255_u8).prop_map(|(at, byte)| Deed::Edit(at, byte)),
        (place(), 1..4_usize).prop_map(|(at, count)| Deed::Remove(at, count)),
        (place(), place()).prop_map(|(one, other)| Deed::Swap(one, other)),
        (place(), place()).prop_map(|(one, other)| Deed::SwapBodies(one, other)),
        (place(), place()).prop_map(|(from, to)| Deed::Repeat(from, to)),
        place().prop_map(Deed::Cut),
        place().prop_map(Deed::HashAnew),
    ];
    (deed, any::<bool>())
}

fn done(records: &[LogRecord], deed: &Deed) -> Vec<LogRecord> {
    let mut records = records.to_vec();
    match *deed {
        Deed::Nothing => {}
        Deed::Edit(at, byte) => records[at].body = format!("{{\"number\":\"{byte}\"}}"),
        Deed::Remove(at, count) => drop(records.drain(at..(at + count).min(20))),
        Deed::Swap(one, other) => records.swap(one, other),
        Deed::SwapBodies(one, other) => {
            let body = records[one].body.clone();
            records[one].body = std::mem::replace(&mut records[other].body, body);
        }
        Deed::Repeat(from, to) => records.insert(to, records[from].clone()),
        Deed::Cut(length) => records.truncate(length),
        Deed::HashAnew(at) => {
            // Everything from here on is made anew, as who has the database can.
            let mut end = at
                .checked_sub(1)
                .map_or(Link::BEGINNING, |it| records[it].link());
            for record in &mut records[at..] {
                *record = LogRecord::after(&end, format!("{{\"of\":{}}}", record.body));
                end = record.link();
            }
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn exactly_the_untampered_chain_is_accepted((deed, is_renumbered) in deeds()) {
        let original = chain(20);
        let mut records = done(&original, &deed);
        if is_renumbered {
            records = numbered(records);
        }
        // The head that lies elsewhere knows the last record.
        let answer = verify(&records, &[anchor_at(&original, 20)]);
        prop_assert_eq!(answer.is_ok(), records == original, "{:?}", answer);
        if let Err(found) = answer {
            let first = original.iter().zip(&records).position(|(one, other)| one != other);
            let first = first.unwrap_or(records.len().min(20)) as u64 + 1;
            // What was hashed anew to the end shows where a head knew it.
            let is_anew = matches!(deed, Deed::HashAnew(_));
            prop_assert!(found.position == first || is_anew || found.fault == Fault::Reordered,
                "{:?} and not {}", found, first);
        }
    }
}
