"""What titles are about: motifs, each with its genres, ages and words."""

from dataclasses import dataclass

from simulation.words import parts


@dataclass(frozen=True, slots=True)
class Motif:
    """A subject: its genres, the minimum ages it is made for, and its words.

    ``nouns`` stand in titles; ``heroes`` and ``deeds`` make synopses: "In PLACE, HERO DEED." What
    shares a motif and a place is close to a duplicate.
    """

    name: str
    genres: tuple[str, ...]
    ages: tuple[int, ...]
    nouns: tuple[str, ...]
    heroes: tuple[str, ...]
    deeds: tuple[str, ...]


# A motif: "name: genres; ages", nouns, heroes, deeds; a blank line ends it.
_TABLE = """
lighthouse: Mystery | Drama; 0 0 7 12
Lighthouse | Beacon | Tide | Harbour Light | Keeper | Logbook
a lighthouse keeper | a retired harbour pilot | a cartographer's daughter
finds a logbook that names ships not yet lost | keeps a lamp burning for a boat that never
    docks | follows a coded signal across the bay

bakery: Comedy | Romance | Family; 0 0 0
Bakery | Sourdough | Oven | Recipe | Honey Cake | Flour
a stubborn baker | a food critic in disguise | a pair of rival pastry cooks
must save the family bakery before the spring fair | falls for the one customer who never
    finishes a slice | inherits an oven that bakes other people's memories

dragons: Fantasy | Adventure | Family | Animation; 0 0 0 7
Dragon | Ember | Hatchling | Scale | Fire Song | Nest
a shy apprentice | a runaway princess | a village goatherd
raises the last dragon in secret | bargains with a dragon who collects riddles | crosses the
    mountains to return a stolen egg

robots: Sci-Fi | Animation | Family | Comedy; 0 0 0
Robot | Circuit | Clockwork | Battery | Tin Heart | Gearbox
a mislaid household robot | a ten-year-old inventor | a repair-shop owner
teaches a scrapyard of machines to dance | builds a friend who asks too many questions | hides
    a robot that has begun to dream

space: Sci-Fi | Adventure | Drama; 0 0 7 12
Orbit | Station | Comet | Signal | Starship | Meridian
a salvage pilot | a botanist in orbit | the youngest navigator of the fleet
answers a distress call older than the station | grows the first garden among the stars |
    steers a crippled ship home on a child's drawing

football: Sport | Drama | Family; 0 0 0
Goal | Kick-off | Penalty | Derby | Second Half | Underdogs
a third-division coach | a goalkeeper with stage fright | a team of postal workers
takes a hopeless side to the cup final | learns the game from a blind groundskeeper | plays
    one last season on a sloping pitch

orchestra: Music | Drama | Romance; 0 0 7
Overture | Violin | Cadenza | Rehearsal | Encore | Second Fiddle
a second violinist | a conductor losing her hearing | a piano tuner
steps in on the night of the premiere | rebuilds an orchestra from its former enemies | writes
    a duet for someone who has moved away

reef: Documentary | Adventure | Family; 0 0 0
Reef | Deep Blue | Current | Coral | Lagoon | Whale Road
a marine biologist | a family of free divers | a night-time camera crew
follows one turtle across an ocean | counts the last corals of the bay | waits a year for the
    whales to return

railway: Adventure | Mystery | History; 0 0 7
Night Train | Express | Signal Box | Platform | Sleeper Car | Timetable
a railway detective | a stowaway with a birdcage | the last steam engineer
has eleven stops to find a missing carriage | shares a compartment with someone who does not
    exist | drives the mail through the hardest winter

detective: Crime | Mystery | Drama; 12 16 16
Alibi | Cold Case | Inspector | Witness | Evidence Room | Precinct
a sleepless inspector | a forensic accountant | a disgraced detective
reopens the case that ended her career | traces a forger through his only mistake |
    interrogates a witness who remembers tomorrow

heist: Crime | Thriller | Comedy; 12 12 16
Vault | Heist | Safecracker | Getaway | Diamond | Inside Job
a crew of retired thieves | a locksmith on parole | a museum guard
plans one perfect night at the auction house | steals back a painting nobody missed |
    discovers that the vault was emptied years ago

haunting: Horror | Mystery | Thriller; 16 16 18
Haunting | Cellar | Whisper | Attic | Black Mirror | Visitor
a night nurse | a family of restorers | a sceptical priest
moves into a house that keeps its guests | hears her own voice behind the wall | must not fall
    asleep before the bells

spies: Thriller | Action | History; 12 16 16
Cipher | Double Agent | Embassy | Dead Drop | Passport | Cold Border
a code clerk | a burnt-out courier | an interpreter with two names
carries a list that both sides want burnt | has one night to cross the border | marries into
    the wrong embassy

trenches: War | Drama | History; 12 16 16
Front | Armistice | Trench | Regiment | Letter Home | No Man's Land
a stretcher bearer | a field telegraphist | a soldier whose brother fights for the other side
refuses the last order of the war | carries letters between the lines | waits for a dawn that
    generals have postponed

martial: Action | Drama | Sport; 7 12 12
Tournament | Iron Fist | Dojo | Rival | Black Belt | Final Round
a disgraced champion | a cook who studied in secret | a pair of twins
returns for one forbidden tournament | trains the rival who broke him | fights for the school
    her father sold

superheroes: Action | Sci-Fi | Adventure; 0 7 7 12
Guardian | Mask | Cape | Sidekick | Skyline | Night Shift
a part-time superhero | a sidekick left in charge | a mayor with a secret
keeps the city safe between two jobs | loses the power to fly on the worst day | must tell a
    villain the truth

pirates: Adventure | Action | Comedy | Family; 0 0 7
Corsair | Treasure | Compass | Island | Mutiny | Spyglass
a seasick captain | a ship's cook with a map | a crew of runaways
hunts a treasure that moves with the moon | steals the governor's favourite parrot | sails
    under two flags at once

school: Comedy | Family | Drama; 0 0 0 7
Classroom | Homework | Detention | Spelling Bee | Substitute | Last Bell
a substitute teacher | the new girl | a headmaster on probation
turns the worst class into a debating team | finds a door behind the lockers | has a week to
    put on the school play

weddings: Romance | Comedy; 0 0 7
Wedding | Bouquet | Plus One | Best Man | Honeymoon | Vow
a wedding planner | a former best friend | a reluctant best man
organises the wedding of the one who left | must share a cottage for the longest weekend |
    loses the rings, the cake and the groom

seasons: Romance | Drama; 0 0 12
Summer | Letter | Orchard | Balcony | Winter Coat | Promise
a lighthouse-boat skipper | a translator of love letters | a widowed gardener
meets the same stranger every first of June | answers letters meant for someone else | learns
    to stay in one place

court: History | Drama | Romance; 0 7 12
Crown | Court | Coronation | Lady-in-Waiting | Queen's Hand | Throne
a lady-in-waiting | a royal portrait painter | the younger princess
knows why the coronation was delayed | paints a queen who will not sit still | signs a treaty
    in somebody else's name

explorers: History | Documentary | Adventure; 0 0 0
Expedition | Atlas | Longitude | Pole | Caravan | Lost City
a forgotten explorer | a crew of archaeologists | a mapmaker's widow
retraces a route that no map shows | digs where the river used to run | proves that the first
    to arrive came second

kitchen: Documentary | Music | Comedy; 0 0 0
Kitchen | Street Food | Spice | Market | Long Table | Menu
a travelling chef | a market grandmother | a family of noodle masters
cooks one dish in every harbour town | opens her kitchen to strangers for a year | defends a
    sauce nobody can copy

mountains: Documentary | Sport | Adventure; 0 0 0
Summit | Ridge | Base Camp | North Face | Avalanche | Thin Air
a blind climber | a rescue team | a grandmother of seventy
attempts the ridge in winter | spends a season on the mountain's worst slope | climbs for the
    friend who turned back

cycling: Sport | Documentary | Comedy; 0 0 0
Peloton | Breakaway | Yellow Jersey | Puncture | Time Trial | Last Climb
a bicycle courier | a retired domestique | a village team
rides the great tour a week ahead of everyone | chases a record on a borrowed bicycle | learns
    to lose by a wheel

circus: Family | Music | Fantasy; 0 0 0
Circus | Trapeze | Big Top | Carousel | Ringmaster | Tightrope
a clown without a laugh | a tightrope walker's son | a talking seal
joins a circus that travels through time | saves the big top from the bailiffs | performs the
    one act nobody may see twice

forest: Animation | Family | Adventure; 0 0 0
Fox | Hedgehog | Old Oak | Acorn | River Bend | Burrow
a fox with no sense of direction | a brave hedgehog | an owl afraid of the dark
leads the forest to higher ground | looks for the spring that stopped | befriends the winter
    itself

toys: Animation | Comedy | Fantasy; 0 0 0
Toy Box | Button | Marionette | Paper Boat | Teddy | Night Shelf
a one-eared rabbit | a wind-up soldier | a box of lost buttons
escapes from the museum of toys | crosses the garden before the rain | puts on a play for the
    new baby

witches: Fantasy | Comedy | Mystery; 0 0 7
Witch | Broom | Cauldron | Spell | Crooked House | Midnight
an apprentice witch | a coven of aunts | a cat who used to be a lawyer
undoes a spell one day at a time | opens a shop for second-hand wishes | must win a trial by
    riddle

kingdoms: Fantasy | Action | Drama; 7 12 12 16
Throne of Ash | Oath | Siege | Winter Sword | Banner | Broken Crown
an exiled queen | a deserter | a blacksmith's heir
gathers the clans for one winter | breaks the oath that held the realm | learns who forged the
    crown

timetravel: Sci-Fi | Mystery | Romance; 0 0 7 12
Yesterday | Paradox | Second Chance | Tuesday | Pendulum | Loop
a watchmaker | a physics student | a radio presenter
lives the same Tuesday until it goes well | receives a postcard from next year | falls in love
    in the wrong decade

colony: Sci-Fi | Thriller | Drama; 12 12 16
Colony | Airlock | Red Dust | Outpost | Oxygen | Dark Side
a colony doctor | a miner on the far side | the last judge of the outpost
counts one more survivor than the list | has air for nine of ten | finds footprints older than
    the landing

jazz: Music | Documentary | History; 0 0 0
Blue Note | Trumpet | Midnight Set | Vinyl | Backbeat | Last Chorus
a trumpet player | a record-shop owner | a club's last pianist
plays every night in a room without a sign | looks for a recording that was never released |
    brings the old band together for one set

popstars: Music | Comedy | Romance; 0 0 7
Chart | Backing Singer | Tour Bus | Chorus Line | Microphone | One Hit
a backing singer | a boy band at forty | a wedding DJ
wins the contest by mistake | goes on tour in a milk van | writes a hit for her worst rival

dance: Music | Drama | Sport; 0 0 0
Ballroom | Tango | Pirouette | Dance Floor | Last Waltz | Footwork
a retired ballerina | a bricklayer | a rival dance school
learns the tango in a month | opens a ballroom in a closed factory | dances for a jury of
    enemies

hospital: Drama | Romance | Mystery; 0 7 12
Ward | Night Round | Stethoscope | Intern | Heartbeat | Waiting Room
a first-year doctor | a night porter | a surgeon who cannot sleep
keeps a promise to a patient without a name | uncovers who moved bed nine | chooses between
    two hospitals and one heart

courtroom: Drama | Crime | Thriller; 12 12 16
Verdict | Objection | Juror | Defence | Sworn | Appeal
a public defender | juror number six | a judge close to retiring
defends the man who robbed her | is the only one to doubt | finds the missing page of the
    contract

journalism: Thriller | Drama | Documentary; 7 12 12
Front Page | Source | Deadline | Headline | Leak | Late Edition
a local reporter | a fact checker | a photographer
prints the story that closes the paper | protects a source who lies | follows the money to her
    own street

desert: Adventure | History | Romance; 0 0 7
Oasis | Dune | Caravan Song | Mirage | Salt Road | Well
a camel driver | an astronomer | a runaway bride
finds a city that exists at dusk | carries salt, silk and one secret | reads the way home in
    the sand

island: Mystery | Adventure | Family; 0 0 0 7
Hidden Cove | Driftwood | Message | Ferry | Tide Pool | Sandbank
a trio of cousins | a ferry captain | a bird warden
solves the riddle of the sunken bell | discovers an island that returns each August | reads a
    message from a bottle aloud

vets: Family | Drama | Documentary; 0 0 0
Stable | Sheepdog | Foal | Country Vet | Paw Print | Milking Hour
a country vet | a girl and a sheepdog | a city nurse
takes over the practice at lambing time | nurses a foal that nobody wants | walks a dog back
    across the country

office: Comedy | Drama; 0 0 7 12
Office | Coffee Break | Memo | Intern Season | Fourth Floor | Printer
a temp | the night receptionist | a department nobody remembers
runs the company by accident | answers a memo from the future | finds out what the fourth
    floor does

neighbours: Comedy | Family | Mystery; 0 0 0
Neighbour | Fence | Doorbell | Attic Flat | Garden Gnome | Spare Key
a widower with a telescope | the family next door | a landlady
watches a house that has no neighbours | shares one garden and two grudges | loses a spare key
    to everything

zombies: Horror | Action | Comedy; 16 16 18
Outbreak | Quarantine | Last Supermarket | Undead | Bite | Safe Room
a night cashier | a school bus driver | a pair of paramedics
barricades the supermarket until morning | drives a bus through the longest night | keeps one
    infected friend a secret

robbery: Action | Crime | Thriller; 16 16 18
Convoy | Crossfire | Informant | Bulletproof | Vendetta | Safe House
an undercover driver | a bodyguard | a bank clerk
has until dawn to return the money | protects the witness he was paid to find | learns who
    hired them all

inventors: History | Sci-Fi | Comedy; 0 0 0
Inventor | Patent | Airship | Telegraph | Difference Engine | Spark
a bankrupt inventor | a telegraph girl | a clockmaker's guild
builds an airship out of umbrellas | patents a machine that answers back | races to light the
    first street

gamesnight: Adventure | Fantasy | Sport; 0 0 0
Labyrinth | Dice | Grandmaster | Board | Checkmate | Quest
a chess prodigy | a circle of friends | a dungeon master
falls into the game they were playing | plays a grandmaster by post for ten years | must win a
    match against her own teacher

stars: Documentary | Sci-Fi | Family; 0 0 0
Night Sky | Telescope | Eclipse | Milky Way | Meteor | Moonlight
an amateur astronomer | a class of nine-year-olds | an observatory cook
names a comet after a rival | builds a telescope from a bathtub | waits a lifetime for two
    minutes of darkness
"""


def _motif(block: str) -> Motif:
    head, nouns, heroes, deeds = block.replace("\n    ", " ").splitlines()
    name, description = head.split(": ")
    genres, ages = description.split("; ")
    numbers = tuple(int(age) for age in ages.split())
    return Motif(name, parts(genres), numbers, parts(nouns), parts(heroes), parts(deeds))


MOTIFS = tuple(_motif(block) for block in _TABLE.strip().split("\n\n"))
