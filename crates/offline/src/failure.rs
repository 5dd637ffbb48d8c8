//! What failed that no change of the data would mend.
