//! The words for what a page counts: people and their ways in under ACCESS; under ASSIGNMENTS the
//! principals that are assigned, of whom a group is one.

use crate::domain::report::View;

/// The words of one view. A heading that begins with `#` is over numbers.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) person: &'static str,
    pub(super) people: &'static str,
    pub(super) people_figure: &'static str,
    pub(super) person_heading: &'static str,
    pub(super) people_heading: &'static str,
    pub(super) directly: &'static str,
    pub(super) through_groups: &'static str,
    pub(super) direct_heading: &'static str,
    pub(super) group_heading: &'static str,
    pub(super) way: &'static str,
    pub(super) ways: &'static str,
    pub(super) ways_heading: &'static str,
    pub(super) targets_caption: &'static str,
    pub(super) people_caption: &'static str,
    pub(super) steps_caption: &'static str,
    pub(super) people_section: &'static str,
    /// How the columns of the targets are to be read; empty where they say it themselves.
    pub(super) targets_note: &'static str,
}

const OF_ACCESS: Words = Words {
    person: "person",
    people: "people",
    people_figure: "People with access",
    person_heading: "Person",
    people_heading: "#People",
    directly: " directly, ",
    through_groups: " through groups",
    direct_heading: "#Directly",
    group_heading: "#Through groups",
    way: "way in",
    ways: "ways in",
    ways_heading: "#Ways in",
    targets_caption: "Targets that most people enter",
    people_caption: "People who enter most targets",
    steps_caption: "People by number of targets",
    people_section: "Who reaches most",
    targets_note: "Who has several ways in counts once as a person, and once under each way.",
};
const OF_ASSIGNMENTS: Words = Words {
    person: "principal",
    people: "principals",
    people_figure: "Principals with access",
    person_heading: "Principal",
    people_heading: "#Principals",
    directly: " users, ",
    through_groups: " groups",
    direct_heading: "#Users",
    group_heading: "#Groups",
    way: "assignment",
    ways: "assignments",
    ways_heading: "#Assignments",
    targets_caption: "Targets with most principals",
    people_caption: "Principals with most targets",
    steps_caption: "Principals by number of targets",
    people_section: "Who is assigned most",
    targets_note: "",
};

impl Words {
    /// Those of a view about access.
    pub(super) fn of(view: View) -> &'static Self {
        match view {
            View::Assignments => &OF_ASSIGNMENTS,
            _ => &OF_ACCESS,
        }
    }
}
