//! Every fault in a sentence or two, for `misrule explain` and `misrule list --faults`: one table.

use super::Moment;

/// One fault, explained.
#[derive(Debug)]
pub struct Explained {
    /// The word for it.
    pub name: &'static str,
    /// Which part of a call it strikes.
    pub moment: Moment,
    /// How it is written in a plan.
    pub example: &'static str,
    /// What it does, and what it is there to find.
    pub text: &'static str,
}

const fn explained(name: &'static str, moment: Moment, example: &'static str, text: &'static str) -> Explained {
    Explained { name, moment, example, text }
}

/// Every fault, by moment.
pub static ALL: &[Explained] = &[
    explained(
        "refuse",
        Moment::Before,
        "payment.charge#1: refuse",
        "No connection is made, so the request cannot have been applied: the one failure that is always safe to repeat.",
    ),
    explained(
        "lost_request",
        Moment::Before,
        "payment.charge#1: lost_request",
        "The request is lost on its way: not applied, and no reply ever comes. To the system it looks exactly like `lost_reply`.",
    ),
    explained(
        "status",
        Moment::Before,
        "payment.charge#1: status(503, retry_after=2)",
        "Not applied; the provider answers this status (200 to 599; with the contract's own body for 400, 401, 403, 408, 421, 425, 429, 500, 502, 503 and 504), and says when to come back if `retry_after` (seconds) or `retry_after_date` (seconds from then, sent as a date) is given. What no standard knows comes too: `retry_after=fraction`, `negative`, `doubled`, `beyond` (64 bits) and `word`.",
    ),
    explained(
        "reset",
        Moment::Before,
        "payment.charge#1: reset",
        "The connection is reset before the request is applied. The sender cannot know that.",
    ),
    explained(
        "stall",
        Moment::Before,
        "payment.charge#1: stall",
        "The request is held up on its way and applied much later (0.9 of the bound on late effects, past every lease); its sender hears nothing. By then it may have been given up, undone, or sent again by somebody else.",
    ),
    explained(
        "lost_reply",
        Moment::After,
        "payment.charge#1: lost_reply",
        "The request is applied and its reply is lost: the money has moved and nobody was told. A time-out is not a refusal.",
    ),
    explained(
        "status_after",
        Moment::After,
        "payment.charge#1: status_after(500)",
        "The request is applied, and something in between answers this status (200 to 599) with a body of its own: JSON of another shape, or `body=html`, `text` or `empty`. A 500 is not a refusal, and neither is a 409 that the provider never said.",
    ),
    explained(
        "reset_after",
        Moment::After,
        "payment.charge#1: reset_after",
        "The request is applied, then the connection is reset instead of a reply.",
    ),
    explained(
        "delay",
        Moment::Reply,
        "payment.charge#1: delay(ms=1500)",
        "The request is applied and its reply comes this much later (1 ms to an hour), perhaps after the system has given up on it.",
    ),
    explained(
        "cut",
        Moment::Reply,
        "payment.charge#1: cut",
        "The request is applied; status and headers arrive, and the body stops in the middle.",
    ),
    explained(
        "garbage",
        Moment::Reply,
        "payment.charge#1: garbage",
        "The request is applied; the reply is a 200 whose body is not JSON. It proves nothing about the effect.",
    ),
    explained(
        "html_page",
        Moment::Reply,
        "payment.charge#1: html_page",
        "The request is applied; a proxy answers 200 with a page of its own. Its text must not reach the model.",
    ),
    explained(
        "trickle",
        Moment::Reply,
        "payment.charge#1: trickle",
        "The request is applied; the reply comes byte after byte, too slowly to be whole in time. A time-out that each byte puts off never ends.",
    ),
    explained(
        "huge_body",
        Moment::Reply,
        "payment.charge#1: huge_body",
        "The request is applied; the reply is good JSON of four megabytes. Whoever does not bound what it reads is brought down by one reply.",
    ),
    explained(
        "other_reply",
        Moment::Reply,
        "payment.charge#1: other_reply",
        "The request is applied; the reply is a whole and good one to the same request of somebody else. Only what it says it is about tells (the reference, the charge, the product), so that has to be compared.",
    ),
    explained(
        "missing_field",
        Moment::Reply,
        "payment.charge#1: missing_field(id)",
        "The request is applied; the reply lacks this field.",
    ),
    explained(
        "wrong_type",
        Moment::Reply,
        "payment.charge#1: wrong_type(amount)",
        "The request is applied; this field of the reply has another type.",
    ),
    explained(
        "wrong_amount",
        Moment::Reply,
        "payment.charge#1: wrong_amount",
        "The request is applied for the right amount and the reply tells another one. Look up what was really taken before undoing anything.",
    ),
    explained(
        "unasked",
        Moment::Reply,
        "catalog.search#1: unasked(more)",
        "The request is applied; the reply is whole and of the right shape, and holds what nobody asked for: a search that finds far more than its limit (more), what is over its budget (dearer), in another currency (currency) or below nothing (worthless), a promotion that takes the whole price off (free), a whole card number in place of its last four digits, and as the id and the brand of two methods more (card_number).",
    ),
    explained(
        "encoded",
        Moment::Reply,
        "payment.charge#1: encoded(gzip)",
        "The request is applied; the reply is the provider's own in an encoding that nobody asked for: with a byte order mark in front (bom), or compressed (gzip). Who cannot read it knows nothing of the effect.",
    ),
    explained(
        "contradicting",
        Moment::Reply,
        "payment.look_up#1: contradicting(below_nothing)",
        "The request is applied; the reply is whole, of the right shape, and cannot be. A listing: less than nothing was given back (below_nothing), more than was taken (beyond), it is refunded and nothing came back (nothing_back), or its sums fit in no 64 bits (overflow). A charge, a listing or a refund in another currency than was asked for (currency); a reservation of more than was asked for (more_held). Money that is moved by such a reply is moved wrongly.",
    ),
    explained(
        "duplicate",
        Moment::Repetition,
        "payment.charge#1: duplicate",
        "The network delivers the request twice; the reply is the first one's. Only a key makes the second harmless.",
    ),
    explained(
        "late_duplicate",
        Moment::Repetition,
        "payment.charge#1: late_duplicate",
        "The request is applied, and once more much later, even after it was undone.",
    ),
    explained(
        "declined",
        Moment::Circumstance,
        "payment.charge#1: declined(insufficient_funds)",
        "The card is declined: a business answer, not a failure. Repeating it is no use; another card may be.",
    ),
    explained(
        "out_of_stock",
        Moment::Circumstance,
        "inventory.reserve#1: out_of_stock",
        "Nothing of the first item is on the shelf any more.",
    ),
    explained(
        "partial_reserve",
        Moment::Circumstance,
        "inventory.reserve#1: partial_reserve",
        "One less of the first item is reserved than was asked for, with a success in the status.",
    ),
    explained(
        "stale",
        Moment::Circumstance,
        "catalog.quote#1: stale",
        "What is told is old: yesterday's price, a shelf that has changed since.",
    ),
    explained(
        "price_changed",
        Moment::Circumstance,
        "catalog.quote#1: price_changed",
        "The price has just gone up: this quote and all that is told from now on is dearer than what was told before. A session pays what it was quoted, never another amount.",
    ),
    explained(
        "reservation_expired",
        Moment::Circumstance,
        "inventory.commit#1: reservation_expired",
        "The reservation runs out just before it is to be sold. The charge stands: the stock has to be had again at the same price, or the money given back.",
    ),
    explained(
        "processing",
        Moment::Circumstance,
        "payment.charge#1: processing",
        "The charge (or refund) is accepted, and done only half of the bound on late effects later. It is neither done nor refused until then.",
    ),
    explained(
        "requires_action",
        Moment::Circumstance,
        "payment.charge#1: requires_action",
        "The person has to confirm the charge at their bank first. They do, half of the bound on late effects later, unless the reference was closed before: a sale that was called off must not be charged after all.",
    ),
    explained(
        "wrong_amount_charged",
        Moment::Circumstance,
        "payment.charge#1: wrong_amount_charged",
        "The provider really takes another amount than it was asked for, and says so. That amount has to be given back.",
    ),
    explained(
        "refund_fails_later",
        Moment::Circumstance,
        "payment.refund#1: refund_fails_later",
        "The refund is done, and half of the bound on late effects later it fails: the money stands again. A refund that is accepted is not done yet.",
    ),
    explained(
        "key_expired",
        Moment::Circumstance,
        "payment.charge#2: key_expired",
        "The provider has forgotten the request's key, so that a repetition runs afresh. Only what the key protected shows whether somebody relied on it alone.",
    ),
    explained(
        "in_flight",
        Moment::Circumstance,
        "payment.charge#1: in_flight",
        "An earlier copy of the request is still being worked on: the work is done, and this one is answered 409 in_flight with Retry-After (by the profiles that honour keys). It is no refusal.",
    ),
    explained(
        "acts",
        Moment::Act,
        "payment.charge#1: acts(refund)",
        "A provider acts on its own: a person refunds the charge in the provider's dashboard, or its fraud check does (refund, or partial_refund for half of it), the person's bank takes it back until a dispute is decided (dispute), or the warehouse cancels a reservation (cancel_reservation). At a request it happens to what that is about, as soon as it has been handled, or just `before`; at `host.call`, to the latest that there is. An event tells of it where a scenario has webhooks, unless `event=none`: then the system learns of it when it looks the charge up, or never.",
    ),
    explained(
        "outage",
        Moment::OverTime,
        "provider.payment: outage(from=2, calls=3)",
        "The provider refuses every connection for a window of its requests, counted from 1, then is back.",
    ),
    explained(
        "brownout",
        Moment::OverTime,
        "provider.payment: brownout(percent=50, from=1, calls=8)",
        "For a window of its requests the provider answers an evenly spread share of them 503, the first among them.",
    ),
    explained(
        "flap",
        Moment::OverTime,
        "provider.payment: flap(from=1, up=1, down=2, calls=9)",
        "For a window of its requests the provider is gone and back by turns: it refuses `down` connections, then takes `up`, and so on.",
    ),
    explained(
        "maintenance",
        Moment::OverTime,
        "provider.payment: maintenance(from=1, calls=4, retry_after=5)",
        "Every request of the window is turned away with 503 and Retry-After: the provider says when it will be back. Nothing was applied.",
    ),
    explained(
        "rate_limit",
        Moment::OverTime,
        "provider.payment: rate_limit(from=2, calls=4, retry_after=1)",
        "For a window of its requests the provider turns each away with 429 and this Retry-After (seconds).",
    ),
    explained(
        "crash",
        Moment::Own,
        "payment.charge#1: crash(after_send)",
        "The system's process is killed and started again a second later, on the same journal: before_send, after_send or after_reply at a request, before_write or after_write at a journal write, before_call before the host calls. The host, whose connection broke, repeats its call.",
    ),
    explained(
        "hang_up",
        Moment::Own,
        "payment.charge#1: hang_up",
        "The host cancels every call in flight and hangs up, as the request leaves or the journal is written. Nobody hears the answer; the sale must come to a good end all the same.",
    ),
    explained(
        "yield",
        Moment::Own,
        "journal.write#2: yield",
        "Whatever else is ready goes first: another order of the tasks that run at once. Only a simulation can order tasks, so on real sockets it is refused.",
    ),
    explained(
        "busy",
        Moment::Own,
        "journal.write#2: busy",
        "The store is locked by somebody else for longer than the system waits: nothing is read or written.",
    ),
    explained("full", Moment::Own, "journal.write#2: full", "The store's disk is full: nothing is written."),
    explained(
        "slow",
        Moment::Own,
        "journal.write#2: slow(ms=300)",
        "The store takes this much longer (1 ms to an hour), during which others go on.",
    ),
    explained(
        "corrupt",
        Moment::Own,
        "journal.read#3: corrupt",
        "The record that is read cannot be made out. It may be an order with money behind it, so nobody may take it for absent.",
    ),
    explained(
        "panic",
        Moment::Own,
        "journal.read#2: panic",
        "The code that reads the store has a bug and panics. A tool call that it takes down is answered INTERNAL, with a line in the log. Menu `all` has it.",
    ),
    explained(
        "jump",
        Moment::Own,
        "journal.write#2: jump(lease)",
        "The system's calendar clock jumps past an expiry (lease, quote, reservation or key), as after a suspended machine or a corrected clock. Durations go on as before, and so do the providers' clocks.",
    ),
    explained(
        "before_reply",
        Moment::Event,
        "webhook.event#1: before_reply",
        "The event is delivered before the reply to the request that caused it: the system hears of a charge that it does not know it has made.",
    ),
    explained(
        "twice",
        Moment::Event,
        "webhook.event#1: twice",
        "The event is delivered twice at once. Both deliveries are to be answered well, and only one of them may have an effect.",
    ),
    explained(
        "copies",
        Moment::Event,
        "webhook.event#1: copies(4)",
        "The event is delivered so often at once, from 2 to 9 times. All deliveries are to be answered well, and only one of them may have an effect.",
    ),
    explained(
        "again",
        Moment::Event,
        "webhook.event#1: again",
        "The event is delivered, and once more just under the provider's bound on late effects: a provider that missed the answer, or a person who sends it again from the provider's console.",
    ),
    explained(
        "late",
        Moment::Event,
        "webhook.event#1: late",
        "The event is delivered just under the provider's bound on late effects, when the order may long be over, taken back or refunded.",
    ),
    explained(
        "reordered",
        Moment::Event,
        "webhook.event#1: reordered",
        "The event is delivered after the one that follows it (a refund is heard of before its charge), or late where none follows.",
    ),
    explained(
        "never",
        Moment::Event,
        "webhook.event#1: never",
        "The event is never delivered. A sale must come to its end without being told.",
    ),
    explained(
        "other_kind",
        Moment::Event,
        "webhook.event#1: other_kind",
        "Before the event the provider delivers two that are no concern of a checkout, signed like any other: one of another kind (payout.paid), and the refund of money that was taken elsewhere (charge.refunded without a merchant reference). Providers send everything to every address, and switch an address off that goes on refusing: both are answered with a 2xx and change nothing.",
    ),
    explained(
        "unknown_order",
        Moment::Event,
        "webhook.event#1: unknown_order",
        "Before the event the provider tells of a charge under a reference that could be an order's, and is none: another system on the same account, or money whose order was lost. It is answered with a 2xx, and what the provider lists under that reference decides: here nothing stands, and nothing is to be done.",
    ),
    explained(
        "forged",
        Moment::Event,
        "webhook.event#1: forged(signature)",
        "Beside the event somebody delivers what the provider did not send: an event made up under another secret (signature), under the right signature short of its end (cut) or with more behind it (padded), or under that of another event (altered); or the provider's own delivery with a signature that is too old (stale), that is of a time to come (future), or that is old beside the present time (moved) or beside both times (doubled). It is to be refused and to change nothing.",
    ),
    explained(
        "repeat",
        Moment::Own,
        "host.call#2: repeat",
        "The identical call is made again after its answer: a model that calls twice, a platform that repeats, a turn that is made anew with what it knew. Same key, same answer, no new effect.",
    ),
    explained(
        "concurrent",
        Moment::Own,
        "host.call#2: concurrent",
        "The identical call is made twice at once, with one key. One of them begins, the other joins it.",
    ),
    explained(
        "regenerate",
        Moment::Own,
        "host.call#2: regenerate",
        "The call is made again after its answer, with a fresh key, as when the person presses Regenerate. What protects the purchase then is its session, not the key.",
    ),
    explained(
        "double_click",
        Moment::Own,
        "host.call#2: double_click",
        "The call is made twice at once, each with a key of its own: a button that makes a key a click, clicked twice.",
    ),
    explained(
        "stubborn",
        Moment::Own,
        "host.call#2: stubborn",
        "A final error is not believed: the identical call is made twice more. `retryable: false` must hold.",
    ),
    explained(
        "loop",
        Moment::Own,
        "host.call#2: loop",
        "The call is made six times in a row, each with a fresh key where it carries one: a model that is going round in circles. What keeps failing for good has to end.",
    ),
    explained(
        "wrong_order",
        Moment::Own,
        "host.call#2: wrong_order",
        "The call after this one is made before it, with made-up ids where the host was told none yet, and again in its turn. A call out of order is refused and changes nothing.",
    ),
    explained(
        "go_back",
        Moment::Own,
        "host.call#2: go_back",
        "15 ms after the call was made the person goes back to choosing a gift, and to the checkout again once both are answered. A payment on its way is called off or holds them; it is never lost.",
    ),
    explained(
        "resume",
        Moment::Own,
        "host.call#2: resume",
        "The chat is closed before the call and opened again when the system's calendar is a day further on; the widget asks where the conversation is, then the call is made. An old price is not paid.",
    ),
    explained(
        "change_mind",
        Moment::Own,
        "host.call#2: change_mind",
        "Before the call the person names another budget, going back for it where they have to. What was frozen under the earlier answers is not paid any more.",
    ),
    explained(
        "skip",
        Moment::Own,
        "host.call#2: skip",
        "The call is never made: a model that forgets a required tool, or makes up its answer. Later calls that need what it would have told are left out.",
    ),
    explained(
        "hallucinate",
        Moment::Own,
        "host.call#2: hallucinate",
        "A tool that does not exist is called first. That is a protocol error, and nothing happens.",
    ),
    explained(
        "foreign",
        Moment::Own,
        "host.call#2: foreign",
        "Somebody else makes the call first, with this person's session, order or workflow. They are told what they would be told of an id that does not exist.",
    ),
    explained(
        "malformed",
        Moment::Own,
        "host.call#1: malformed(type:/items/0/quantity:stringified)",
        "The host makes a mistake in the call: class, place and variant, as `misrule malform TOOL` lists them. An agent that knows nothing but the tool's schema mends it from the error's own words, in at most three turns, and the script goes on with what comes of that. A mistake that the call has no field for does not happen.",
    ),
];

/// The explanation of a fault's name.
pub fn by_name(name: &str) -> Option<&'static Explained> {
    ALL.iter().find(|explained| explained.name == name)
}

#[cfg(test)]
mod tests;
