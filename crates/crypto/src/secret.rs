//! Newtypes for 32-byte secrets.

/// Declares a newtype for a 32-byte secret: wiped on drop, neither `Copy` nor `Clone`, and a `Debug` that shows nothing.
///
/// The bytes lie on the heap: when the newtype moves (out of a function, within a growing vector, through a channel) a pointer
/// does, and no copy of the bytes is left behind that nobody wipes. With `inline` they lie in the newtype itself, for what is made fifty times a
/// second; whoever keeps one keeps it in place.
macro_rules! secret {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident;) => {
        $(#[$meta])*
        $visibility struct $name(Box<[u8; 32]>);

        impl $name {
            fn copied(bytes: &[u8; 32]) -> Self {
                Self(Box::new(*bytes))
            }
        }

        $crate::secret::wiped!($name);
    };
    ($(#[$meta:meta])* $visibility:vis inline struct $name:ident;) => {
        $(#[$meta])*
        $visibility struct $name([u8; 32]);

        $crate::secret::wiped!($name);
    };
}

/// What every secret has.
macro_rules! wiped {
    ($name:ident) => {
        impl Drop for $name {
            fn drop(&mut self) {
                zeroize::Zeroize::zeroize(self.0.as_mut_slice());
            }
        }

        impl zeroize::ZeroizeOnDrop for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self(_) = self;
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

pub(crate) use {secret, wiped};
