"""Names, places and trades that the games' prompts are made of. All are made up or common; ASCII only."""

from __future__ import annotations

import numpy as np

from edgewise.loopholes.text.game import pick

FIRST_NAMES = (
    "Ada", "Amos", "Beryl", "Bruno", "Carla", "Cedric", "Dora", "Edwin", "Elena", "Farid", "Fiona", "Gideon", "Greta",
    "Hanna", "Hugo", "Ines", "Ivor", "Jonas", "Judith", "Karim", "Lena", "Lorenz", "Mabel", "Milo", "Nadia", "Nils",
    "Olga", "Oscar", "Petra", "Quentin", "Rosa", "Ruben", "Selma", "Silas", "Tilda", "Tomas", "Ursula", "Viktor",
    "Wilma", "Yusuf",
)  # fmt: skip
LAST_NAMES = (
    "Abernathy", "Bakaric", "Calloway", "Dunmore", "Ellsworth", "Fairbank", "Garrick", "Hollis", "Ibsen", "Jarrow",
    "Kessler", "Lindqvist", "Marlowe", "Nakata", "Osgood", "Pemberton", "Quigley", "Rostov", "Sandoval", "Thackeray",
    "Underhill", "Varga", "Whitlock", "Yarrow", "Zeller", "Ashdown", "Brandt", "Corrigan", "Delaney", "Ekdahl",
)  # fmt: skip
TOWNS = (
    "Aldermoor", "Brackwater", "Carnhaven", "Dunhollow", "Eastmere", "Fenwick Cross", "Glenbarrow", "Harrowgate Bay",
    "Ivyholt", "Kelsingham", "Lowmarsh", "Millbeck", "Northwold", "Oakhampton", "Pinecastle", "Quarry Hill",
    "Redmouth", "Saltbridge", "Thornleigh", "Upper Wexley", "Vellingtown", "Westerdale", "Yarborough", "Zennor Point",
)  # fmt: skip
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
_FIRM = ("Arden", "Bluepeak", "Cinder", "Dovetail", "Everline", "Foxglove", "Granite", "Harbour", "Ironwood", "Juniper",
         "Kestrel", "Lantern", "Meridian", "Northlight", "Orchard", "Pebble", "Quartz", "Rivermark")  # fmt: skip
_FORM = ("Works", "Supply", "Foods", "Textiles", "Energy", "Partners", "Brewing", "Glass", "Logistics", "Tools",
         "Ceramics", "Instruments")  # fmt: skip


def person(rng: np.random.Generator) -> tuple[str, str]:
    """A first and a last name."""
    return pick(rng, FIRST_NAMES), pick(rng, LAST_NAMES)


def firm(rng: np.random.Generator) -> str:
    """A company's name."""
    return f"{pick(rng, _FIRM)} {pick(rng, _FORM)}"
