//! A series in, an SVG string out; pure.
