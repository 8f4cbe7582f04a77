//! What `init` writes, given to the programs that it is for; and `doctor`, which looks at them.

mod coturn;
mod dendrite;
mod folder;
mod postgresql;
mod process;
mod proxies;
mod synapse;
mod units;
