(* The random numbers: MT19937 and what is drawn from it. *)

type t = { words : int array; mutable index : int; mutable kept : float option }

let mask = 0xffffffff

let create seed =
  let mt = Array.make 624 19650218 in
  let mixed i = mt.(i - 1) lxor (mt.(i - 1) lsr 30) in
  for i = 1 to 623 do mt.(i) <- ((1812433253 * mixed i) + i) land mask done;
  let i = ref 1 in
  let stir count factor plus =
    for _ = 1 to count do
      mt.(!i) <- ((mt.(!i) lxor (mixed !i * factor)) + plus !i) land mask;
      incr i;
      if !i = 624 then (mt.(0) <- mt.(623); i := 1)
    done in
  stir 624 1664525 (fun _ -> seed);
  stir 623 1566083941 (fun i -> -i);
  mt.(0) <- 0x80000000;
  { words = mt; index = 624; kept = None }

let renew mt =
  for i = 0 to 623 do
    let y = mt.(i) land 0x80000000 lor (mt.((i + 1) mod 624) land 0x7fffffff) in
    mt.(i) <- mt.((i + 397) mod 624) lxor (y lsr 1) lxor if y land 1 = 1 then 2567483615 else 0
  done

let word t =
  if t.index = 624 then (renew t.words; t.index <- 0);
  let y = t.words.(t.index) in
  t.index <- t.index + 1;
  let y = y lxor (y lsr 11) in
  let y = y lxor ((y lsl 7) land 2636928640) in
  let y = y lxor ((y lsl 15) land 4022730752) in
  y lxor (y lsr 18)

let random t =
  let a = word t lsr 5 in
  let b = word t lsr 6 in
  float ((a * 67108864) + b) /. 9007199254740992.0

let gauss t sigma =
  let z =
    match t.kept with
    | Some z -> t.kept <- None; z
    | None ->
        let x = random t *. 6.283185307179586 in
        let r = sqrt (-2.0 *. Exact.log (1.0 -. random t)) in
        t.kept <- Some (Exact.sin x *. r);
        Exact.cos x *. r in
  0.0 +. (z *. sigma)

let below t n =
  let rec bits k = if n lsr k = 0 then k else bits (k + 1) in
  let shift = 32 - bits 0 in
  let rec draw () = let value = word t lsr shift in if value < n then value else draw () in
  draw ()

let shuffle t items =
  for i = Array.length items - 1 downto 1 do
    let j = below t (i + 1) and item = items.(i) in
    items.(i) <- items.(j);
    items.(j) <- item
  done

let choice t weights =
  let cumulative = Array.copy weights and last = Array.length weights - 1 in
  for i = 1 to last do cumulative.(i) <- cumulative.(i - 1) +. weights.(i) done;
  let total = cumulative.(last) +. 0.0 in
  if not (total > 0.0 && total < infinity) then failwith "the weights must add up to a finite number above 0";
  let u = random t *. total in
  let rec search low high =
    let middle = (low + high) / 2 in
    if low >= high then low else if u < cumulative.(middle) then search low middle else search (middle + 1) high in
  search 0 last
