//! Ways in which weaker rules break, each found by an exhaustive model: here they do not.
