(* The autograd: nodes are numbers into arrays. A new node's children are older than it is. *)

type vector = int array

type operation =
  | Leaf
  | Unary of int  (** the local gradient is kept beside the value *)
  | Add of int * int
  | Mul of int * int
  | Sum of vector
  | Dot of vector * vector

type t = {
  mutable size : int; mutable operation : operation array;
  mutable value : float array; mutable gradient : float array; mutable local : float array;
}

let create () = { size = 0; value = [||]; gradient = [||]; local = [||]; operation = [||] }

let grow t =
  let longer items filler = Array.append items (Array.make (max 1024 t.size) filler) in
  t.value <- longer t.value 0.0; t.gradient <- longer t.gradient 0.0; t.local <- longer t.local 0.0;
  t.operation <- longer t.operation Leaf

let node t operation value local =
  if t.size = Array.length t.value then grow t;
  let i = t.size in
  t.value.(i) <- value; t.local.(i) <- local; t.operation.(i) <- operation;
  t.size <- i + 1;
  i

let leaf t x = node t Leaf x 0.0
let unary t a value local = node t (Unary a) value local
let add t a b = node t (Add (a, b)) (t.value.(a) +. t.value.(b)) 0.0
let mul t a b = node t (Mul (a, b)) (t.value.(a) *. t.value.(b)) 0.0

(* a + c and a * c for a plain number c. *)
let shift t a c = unary t a (t.value.(a) +. c) 1.0
let scale t a c = unary t a (t.value.(a) *. c) c
let neg t a = scale t a (-1.0)
let pow t a c = unary t a (Exact.pow t.value.(a) c) (c *. Exact.pow t.value.(a) (c -. 1.0))
let log t a = unary t a (Exact.log t.value.(a)) (1.0 /. t.value.(a))
let exp t a = let y = Exact.exp t.value.(a) in unary t a y y
let relu t a = if t.value.(a) > 0.0 then unary t a t.value.(a) 1.0 else unary t a 0.0 0.0

(* Sums and dot products as one node. No operand occurs twice, save as its own factor, and none lies below another. *)
let sum t xs = node t (Sum xs) (Array.fold_left (fun total x -> total +. t.value.(x)) 0.0 xs) 0.0

let dot t ws xs =
  let value = t.value and total = ref 0.0 in
  for j = 0 to Array.length ws - 1 do total := !total +. (value.(ws.(j)) *. value.(xs.(j))) done;
  node t (Dot (ws, xs)) !total 0.0

(* The child number k of a node, or -1. *)
let child operation k =
  match operation with
  | Dot (ws, xs) -> if k lsr 1 >= Array.length ws then -1 else (if k land 1 = 0 then ws else xs).(k lsr 1)
  | Sum xs -> if k < Array.length xs then xs.(k) else -1
  | Add (a, b) | Mul (a, b) -> if k = 0 then a else if k = 1 then b else -1
  | Unary a -> if k = 0 then a else -1
  | Leaf -> -1

(* Depth-first post-order from the root: the nodes, and how many they are. *)
let order t root =
  let order = Array.make t.size 0 and count = ref 0 and seen = Bytes.make t.size ' ' in
  let stack = Array.make t.size 0 and next = Array.make t.size 0 and depth = ref 0 in
  let enter i =
    Bytes.set seen i 'x';
    stack.(!depth) <- i; next.(!depth) <- 0; incr depth in
  enter root;
  while !depth > 0 do
    let top = !depth - 1 in
    let c = child t.operation.(stack.(top)) next.(top) in
    next.(top) <- next.(top) + 1;
    if c < 0 then (order.(!count) <- stack.(top); incr count; decr depth)
    else if Bytes.get seen c = ' ' then enter c
  done;
  (order, !count)

let backward t root =
  let order, count = order t root and { value; gradient; local; operation; _ } = t in
  let receive i x = gradient.(i) <- gradient.(i) +. x in
  Array.fill gradient 0 t.size 0.0;
  gradient.(root) <- 1.0;
  for n = count - 1 downto 0 do
    let i = order.(n) in
    let g = gradient.(i) in
    match operation.(i) with
    | Leaf -> ()
    | Unary a -> receive a (local.(i) *. g)
    | Add (a, b) -> receive a g; receive b g
    | Mul (a, b) -> receive a (value.(b) *. g); receive b (value.(a) *. g)
    | Sum xs -> Array.iter (fun x -> receive x g) xs
    | Dot (ws, xs) ->
        for j = 0 to Array.length ws - 1 do
          let w = ws.(j) and x = xs.(j) in
          gradient.(w) <- gradient.(w) +. (value.(x) *. g);
          gradient.(x) <- gradient.(x) +. (value.(w) *. g)
        done
  done
