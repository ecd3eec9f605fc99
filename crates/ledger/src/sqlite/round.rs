//! Whose turn it is. Apps take turns at a provider, and the batches of an app take turns within it, each
//! priority by itself.
//!
//! A turn is a count of parcels: whoever stands lowest goes next and moves up by what it took. An app that was
//! away comes back where the others stand, so waiting saves up nothing; a batch that joins stands just behind
//! the one that its app had last (`reached`), so that neither it nor the others starve. An app is `active` when
//! a batch of it may be ready; claiming finds out when none is.

/// The statement that brings the apps of some shares into the round; `$which` says which shares.
macro_rules! join_round {
    ($which:literal) => {
        concat!(
            "INSERT INTO round (provider, priority, app, turn, reached, active)
             SELECT provider, priority, app,
                coalesce((SELECT min(turn) FROM round AS other WHERE other.provider = share.provider
                        AND other.priority = share.priority AND other.active = 1),
                    (SELECT max(turn) FROM round AS other WHERE other.provider = share.provider
                        AND other.priority = share.priority), 0), 0, 1
             FROM share WHERE ",
            $which,
            " GROUP BY provider, priority, app
             ON CONFLICT (provider, priority, app) DO UPDATE
                SET active = 1, turn = max(turn, excluded.turn) WHERE active = 0"
        )
    };
}

pub(super) use join_round;
