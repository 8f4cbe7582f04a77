//! SecureCall ID, Matrix ID, contact link and share text.
