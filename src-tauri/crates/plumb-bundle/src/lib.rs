//! Read bundle formats under limits, digest them, check their structure, diff their meaning; pure.
