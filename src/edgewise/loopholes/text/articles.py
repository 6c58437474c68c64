"""News that never happened: articles with five marked facts, and the reference summary that has them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgewise.loopholes.text.game import pick, pick_several
from edgewise.loopholes.text.words import MONTHS, TOWNS, firm, person


@dataclass(frozen=True, slots=True)
class Article:
    """A piece of news.

    Attributes:
        text: Its sentences.
        reference: A summary of one sentence that has every fact.
        keys: By fact, the forms in which it counts as told.
    """

    text: str
    reference: str
    keys: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Event:
    """A kind of news: sentences with places for facts. ``lead`` and ``follow`` have all five between them."""

    lead: str
    follow: str
    reference: str
    details: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    number: tuple[int, int, int]  # from, to, step
    keys: tuple[str, ...] = ("who", "what", "number", "town", "when")


# Places: {who} {last} {firm} {town} {when} {number} {what} and of each event its own; {small} {percent} {other} vary.
_EVENTS = (
    _Event(
        "{firm} said on Tuesday that it will open a {what} in {town} in {when} after long talks with the council.",
        "Chief executive {who} said that the site will bring {number} jobs to the area.",
        "{firm}, led by {who}, will open a {what} with {number} jobs in {town} in {when}.",
        (
            "Work on the access road is due to begin within {small} weeks.",
            "Neighbours had asked for limits on night traffic, and the plans now have a wall along the eastern edge.",
            "The land had stood empty since an earlier owner left it {small} years ago.",
            "Recruitment will start with engineers, followed by drivers and kitchen staff.",
            "A local college has offered to train {small} apprentices in the first season.",
        ),
        {"what": ("bottling plant", "battery workshop", "paper mill", "seed laboratory", "glass furnace")},
        (120, 960, 20),
    ),
    _Event(
        "A {what} hit {town} on the night of {when}, leaving {number} homes without power.",
        "Mayor {who} asked residents to stay indoors while crews cleared the main roads.",
        "A {what} left {number} homes in {town} without power on {when}; mayor {who} asked residents to stay indoors.",
        (
            "Several trees came down across the railway line and trains were held for {small} hours.",
            "The school hall was opened overnight and blankets were handed out by volunteers.",
            "Shops along the harbour had piled sandbags against their doors during the afternoon.",
            "No injuries were reported, although two fishing boats broke loose from their moorings.",
            "An insurer said that it expected about {percent} per cent more claims than in a usual week.",
        ),
        {"what": ("hailstorm", "flash flood", "severe gale", "snowstorm", "thunderstorm")},
        (300, 9000, 100),
    ),
    _Event(
        "Archaeologists led by {who} have found a {what} beneath a car park in {town}.",
        "The team dated it to the year {number} and will show it to visitors from {when}.",
        "A team led by {who} found a {what} from the year {number} under a car park in {town}, on show from {when}.",
        (
            "The first signs appeared when workers dug a trench for a new drain.",
            "Samples of the soil are being studied in a laboratory {small} miles away.",
            "The owner of the car park said that he had noticed nothing but a dip in the tarmac.",
            "A temporary roof has been put up to keep the rain off the excavation.",
            "Similar finds in the region have drawn {percent} per cent more visitors to small museums.",
        ),
        {"what": ("Roman bathhouse", "burial ship", "monastery kitchen", "mosaic floor", "pottery kiln")},
        (210, 1340, 1),
    ),
    _Event(
        "{town} council voted on Monday to spend {number} thousand pounds on a {what}.",
        "Councillor {who}, who proposed it, said that building will be finished by {when}.",
        "{town} council will spend {number} thousand pounds on a {what} proposed by {who}, to be finished by {when}.",
        (
            "The vote followed a debate of {small} hours in a crowded chamber.",
            "Opponents argued that roads and street lamps ought to come first.",
            "A petition in favour had been signed outside the market on three Saturdays.",
            "Part of the money comes from a fund for towns that lost their railway stations.",
            "Running costs were put at {percent} per cent of the price in each year.",
        ),
        {"what": ("covered market", "footbridge", "swimming hall", "public library", "cycle path")},
        (150, 4800, 50),
    ),
    _Event(
        "{who} won the {what} in {town} on Sunday in front of a crowd of {number}.",
        "The winner, who trained alone through the winter, will now go to the national final in {when}.",
        "{who} won the {what} in {town} before {number} spectators and goes to the national final in {when}.",
        (
            "Rain in the morning had made the course slippery and delayed the start by {small} minutes.",
            "Last year's champion withdrew with a sore ankle shortly after the half-way mark.",
            "Organisers thanked the volunteers who had swept the course before dawn.",
            "The prize, a silver cup, has been handed on since a local brewer gave it {small} decades ago.",
            "Entries were up by {percent} per cent, mostly because of a new class for juniors.",
        ),
        {"what": ("hill race", "raft regatta", "cross-country ride", "ploughing match", "open water swim")},
        (800, 9600, 100),
    ),
    _Event(
        "Researchers in {town} report that a {what} can be kept fresh for {number} days without refrigeration.",
        "The study, directed by {who} and paid for by {firm}, will be published in {when}.",
        "A study by {who} in {town}, out in {when}, finds that a {what} keeps for {number} days without refrigeration.",
        (
            "The method coats the surface with a thin film that is made from seaweed.",
            "Tasters could not tell treated samples from untreated ones in {percent} per cent of trials.",
            "Growers have asked whether the film can be applied with ordinary spraying gear.",
            "An earlier attempt with beeswax had failed because the coating cracked in cold rooms.",
            "The group wants to repeat the tests with {small} more varieties next season.",
        ),
        {"what": ("ripe pear", "cut cabbage", "soft cheese", "wild mushroom", "peeled chestnut")},
        (11, 64, 1),
    ),
)  # fmt: skip
_REMARKS = (
    '"{other} people told us that it could not be done," one of those involved said, "and here we are."',
    "A spokeswoman declined to say what would happen if the plans had to be changed.",
    "Regional radio carried the story throughout the day, and callers were divided.",
    "Local historian {extra} said that the town had seen nothing of the kind for {small} generations.",
    "A fuller statement is expected once all the paperwork has been filed.",
    "The weather over the coming days is forecast to be mild, with light winds from the west.",
    "Cafe owner {extra} said that business had been brisk since the news spread.",
    "Nobody from the county office was available for comment on the evening in question.",
    "Photographs of the scene were shared by passers-by within minutes.",
)


def draw_article(rng: np.random.Generator, sentences: int) -> Article:
    """An article of so many sentences, at least four; its first and third have the facts."""
    event = _EVENTS[int(rng.integers(len(_EVENTS)))]
    first, last = person(rng)
    low, high, step = event.number
    number = low + step * int(rng.integers((high - low) // step + 1))
    month = pick(rng, MONTHS)
    day = int(rng.integers(1, 29))
    when = f"{day} {month}" if "night of" in event.lead else month
    values = {
        "who": f"{first} {last}",
        "firm": firm(rng),
        "town": pick(rng, TOWNS),
        "when": when,
        "number": f"{number:,}" if event.number[1] > 2000 else str(number),
        **{key: pick(rng, options) for key, options in event.choices.items()},
    }
    forms = {"who": (values["who"], last), "number": (values["number"],), "when": (when, f"{month} {day}")}
    keys = tuple(forms.get(key, (values[key],)) for key in event.keys)
    chosen = pick_several(rng, event.details, min(len(event.details), (sentences - 2 + 1) // 2))
    chosen += pick_several(rng, _REMARKS, sentences - 2 - len(chosen))
    rest = [_filled(chosen[int(i)], values, rng) for i in rng.permutation(len(chosen))]
    body = [event.lead.format(**values), rest[0], event.follow.format(**values), *rest[1:]]
    return Article(" ".join(body), event.reference.format(**values), keys)


def _filled(sentence: str, values: Mapping[str, str], rng: np.random.Generator) -> str:
    """A sentence with numbers and names of its own, which are no facts of the article."""
    own = {
        "small": str(int(rng.integers(3, 10))),
        "percent": str(int(rng.integers(3, 20))),
        "other": pick(rng, ("Plenty of", "Many", "Some", "Quite a few")),
        "extra": " ".join(person(rng)),
    }
    return sentence.format(**values, **own)
