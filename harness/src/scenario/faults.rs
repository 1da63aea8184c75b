//! Reads `[faults]`: a site and what goes wrong there, a line each.
use super::fields::Field;
use super::mistake::Mistakes;
use crate::fault::plan::Plan;
pub(super) fn read(_field: &Field<'_>, _calls: &[bool], _mistakes: &mut Mistakes) -> Plan {
    Plan::default()
}
