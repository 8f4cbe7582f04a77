//! MSC2746 call content and the 1:1 call state machine, sans-IO.
