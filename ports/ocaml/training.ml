(* Adam, and the checksums of what it makes. *)

type schedule = Linear | Cosine

type settings = {
  learning_rate : float;
  beta1 : float;
  beta2 : float;
  epsilon : float;
  schedule : schedule;
  steps : int;
}

let rate s step =
  let step = float step and steps = float s.steps in
  match s.schedule with
  | Linear -> s.learning_rate *. (1.0 -. (step /. steps))
  | Cosine -> s.learning_rate *. 0.5 *. (1.0 +. Exact.cos (0x1.921fb54442d18p+1 *. step /. steps))

let corrections s step =
  let power = float (step + 1) in
  (1.0 -. Exact.pow s.beta1 power, 1.0 -. Exact.pow s.beta2 power)

let root x = if x > 0.0 then sqrt x else Exact.pow x 0.5

(* Updates as many of the parameters p and moments as there are moments. *)
let update s step ~p ~g ~m ~v =
  let rate = rate s step and correction1, correction2 = corrections s step in
  let { beta1; beta2; epsilon; _ } = s in
  for i = 0 to Array.length m - 1 do
    let gi = g.(i) in
    let mi = (beta1 *. m.(i)) +. ((1.0 -. beta1) *. gi) in
    let vi = (beta2 *. v.(i)) +. ((1.0 -. beta2) *. (gi *. gi)) in
    m.(i) <- mi;
    v.(i) <- vi;
    p.(i) <- p.(i) -. (rate *. (mi /. correction1) /. (root (vi /. correction2) +. epsilon))
  done

(* One step on a document; the loss. *)
let step s step (model : Model.t) document ~m ~v =
  let tape = model.tape in
  let root = Model.loss model document in
  let loss = tape.value.(root) in
  Tape.backward tape root;
  update s step ~p:tape.value ~g:tape.gradient ~m ~v;
  loss

(* All NaNs count as one. *)
let bits x = if Float.is_nan x then 0x7ff8000000000000L else Int64.bits_of_float x

let checksum count doubles =
  let modulus = 4294967291 in
  let a = ref 1 and b = ref 0 in
  let add h =
    a := (!a + h) mod modulus;
    b := (!b + !a) mod modulus
  in
  for i = 0 to count - 1 do
    let pattern = bits doubles.(i) in
    add (Int64.to_int (Int64.shift_right_logical pattern 32));
    add (Int64.to_int pattern land 0xffffffff)
  done;
  Printf.sprintf "%08x %08x" !a !b
