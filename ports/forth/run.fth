\ Text, and a whole run: SPEC, sections 4 and 10.

list: points     \ each document's length, then its code points or tokens; what was stripped may lie between them
list: documents  \ where in points each begins
list: known      \ the tokens of code points, plus 1; or 0
list: characters
list: document   \ an encoded one

: document-at ( i -- a n )  documents nth @ points nth dup cell+ swap @ ;

: begin-texts ( -- )  points clear  documents clear ;
: begin-text ( -- start )  points length  0 points push ;
: space? ( point -- flag )  dup 32 = swap 9 13 between or ;
: end-text { start | last -- }  \ strips what was pushed since
  points length 1- to last
  begin last start > if last points nth @ space? else false then while last 1- to last repeat
  begin last start > if start 1+ points nth @ space? else false then while start 1+ to start repeat
  last start > if  last start - start points nth !  start documents push  then ;

: check-documents ( -- )  documents length 0= if s" the dataset has no documents" refuse then ;

: highest-point ( -- n )
  0 documents length 0 do  i document-at 0 do  dup i cells + @ rot max swap  loop drop  loop ;

: number-characters ( -- )
  highest-point 1+ known fzeros
  documents length 0 do  i document-at 0 do  dup i cells + @ known nth true swap !  loop drop  loop
  characters clear
  known length 0 do
    i known nth @ if  i characters push  characters length i known nth !  then
  loop
  characters length 2047 > if s" the dataset has more than 2047 distinct characters" refuse then
  characters length 1+ vocabulary ! ;

: encode ( i -- )  \ to document
  document clear  characters length document push
  document-at 0 do  dup i cells + @ known nth @ 1- document push  loop drop
  characters length document push ;

\ A line for people, as code points.

list: said
variable for-people?

: utf8 { point -- }
  point 128 < if point emit exit then
  point 2048 < if
    point 6 rshift 192 or emit
  else
    point 65536 < if point 12 rshift 224 or emit else
      point 18 rshift 240 or emit  point 12 rshift 63 and 128 or emit
    then
    point 6 rshift 63 and 128 or emit
  then
  point 63 and 128 or emit ;

: say ( a n -- )  over + swap ?do i c@ said push loop ;
: say-number ( n width -- )  >r decimal-digits r> over - 0 max 0 ?do bl said push loop say ;
: said-points ( -- )  said length 0 ?do  i said nth @ integer,  loop ;
: end-said ( -- )
  for-people? @ if
    said length 0 ?do  i said nth @ utf8  loop  10 emit flushemit
  else
    s" print" key, said-points end,
  then  said clear ;

\ Four decimals, rounded once, ties to even, of a number up to 2^53.

: halved ( ud sticky -- ud sticky )
  >r over 1 and r> or >r  dup 63 lshift >r 1 rshift swap 1 rshift r> or swap r> ;
: rounded-shift { low high count | sticky -- ud }
  0 to sticky
  count 0> if
    low high sticky count 1- 0 ?do halved loop to sticky to high to low
    low high 0 halved  ( ud half )
    if over 1 and sticky or if 1 0 d+ then then
  else
    low count negate lshift  high count negate lshift low 1 count negate lshift um* nip or
  then ;
: say-decimals ( f: x -- )
  bits
  dup nan? if drop s" nan" say exit then
  dup negative? if s" -" say then
  unsigned dup infinity = if drop s" inf" say exit then
  dissect >r 10000 um* r> negate rounded-shift
  <# # # # # [char] . hold #s #> say ;

\ A run.

fvariable sigma  fvariable output-sigma

: full-attention ( -- )
  attended clear  attend-starts clear
  block @ 0 do  attended length attend-starts push  i 1+ 0 do i attended push loop  loop
  attended length attend-starts push ;

hex
3e45798ee2308c3a double fconstant 1e-8
decimal
: hundredths ( n -- ) ( f: -- r )  >float 100 >float f/ ;

: classic ( -- )
  16 block !  8 hundredths sigma f!  8 hundredths output-sigma f!  false squared? !
  85 hundredths beta1 f!  99 hundredths beta2 f!  false cosine? !  1000 steps ! ;
: seed ( -- )
  8 block !  2 hundredths sigma f!  f0 output-sigma f!  true squared? !
  90 hundredths beta1 f!  95 hundredths beta2 f!  true cosine? !  500 steps ! ;
: common ( -- )
  1 layers !  4 heads !  16 embedding !
  1 hundredths learning-rate f!  1e-8 epsilon f!  f1/2 temperature f! ;

: output? ( a n -- flag )  2dup s" layer0.attn_wo" same? >r s" layer0.mlp_fc2" same? r> or ;
: draw-matrix { a n rows columns first -- }
  a n output? if output-sigma else sigma then
  rows columns * 0 do  dup f@ gauss bits values push  loop drop ;

: all-leaves ( -- )  edges clear  parameter-count starts fzeros ;

: say-step ( step -- ) ( f: loss -- )
  s" step " say  1+ 4 say-number  s"  / " say  steps @ 4 say-number  s"  | loss " say  say-decimals end-said ;
: say-sample ( number -- )
  s" sample " say  2 say-number  s" : " say
  sampled length 0 ?do  i sampled nth @ characters nth @ said push  loop  end-said ;

: begin-run ( -- )
  check-documents
  common  42 seed-generator
  0 documents nth documents length shuffle
  number-characters  full-attention
  values clear  ['] draw-matrix each-matrix  all-leaves
  parameter-count dup m fzeros v fzeros ;

: run-preset { samples -- }
  begin-run
  s" num docs: " say  documents length 1 say-number end-said
  s" vocab size: " say  vocabulary @ 1 say-number end-said
  s" num params: " say  parameter-count 1 say-number end-said
  steps @ 0 do
    i documents length mod encode
    0 document nth document length i train-step  i say-step
  loop
  end-said
  s" --- inference (new, hallucinated names) ---" say end-said
  samples 0 ?do  sample  i 1+ say-sample  loop ;
