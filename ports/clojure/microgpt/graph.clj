(ns microgpt.graph
  "Automatic differentiation (SPEC, section 5). The same nodes answer `graph` and train the model."
  (:refer-clojure :exclude [exp])
  (:require [microgpt.exact :as exact])
  (:import (java.util ArrayList)))

(set! *warn-on-reflection* true)

(definterface Differentiable
  (^double value [])
  (^double gradient [])
  (^void setValue [^double x])
  (^void setGradient [^double x])
  (^boolean isSeen [])
  (^void setSeen [^boolean yes])
  (nextUnseen [])
  (^void passOn []))

(defmacro ^:private receive
  "Adds to a gradient."
  [node x]
  `(let [^Differentiable node# ~node] (.setGradient node# (+ (.gradient node#) ~x))))

;; kind says what the children are: none of a :leaf, x of :unary, all of xs of a :sum, those of ws and xs in turn of a
;; :dot.
(deftype Node [^:unsynchronized-mutable ^double number
               ^:unsynchronized-mutable ^double slope
               ^:unsynchronized-mutable seen
               ^:unsynchronized-mutable ^long cursor
               kind ^double local ^objects ws ^objects xs]
  Differentiable
  (value [_] number)
  (gradient [_] slope)
  (setValue [_ x] (set! number x))
  (setGradient [_ x] (set! slope x))
  (isSeen [_] seen)
  (setSeen [_ yes]
    (set! seen yes)
    (set! cursor 0))
  (nextUnseen [_]
    (let [dot? (identical? kind :dot)
          n (if dot? (* 2 (alength ws)) (alength xs))]
      (loop []
        (when (< cursor n)
          (let [i cursor
                ^Differentiable child (cond (not dot?) (aget xs i)
                                            (even? i) (aget ws (quot i 2))
                                            :else (aget xs (quot i 2)))]
            (set! cursor (inc i))
            (if (.isSeen child) (recur) child))))))
  (passOn [_]
    (let [g slope]
      (case kind
        :leaf nil
        :unary (receive (aget xs 0) (* local g))
        :sum (dotimes [i (alength xs)] (receive (aget xs i) g))
        :dot (dotimes [i (alength ws)]
               (let [^Differentiable w (aget ws i), ^Differentiable x (aget xs i)]
                 (receive w (* (.value x) g))
                 (receive x (* (.value w) g))))))))

(defn- node
  ([x kind local xs] (node x kind local (object-array 0) xs))
  ([x kind local ws xs] (Node. x 0.0 false 0 kind local ws xs)))

(defn value ^double [^Node a] (.value a))
(defn gradient ^double [^Node a] (.gradient a))
(defn set-value! [^Node a ^double x] (.setValue a x))
(defn set-gradient! [^Node a ^double x] (.setGradient a x))

(defn leaf [x] (node x :leaf 0.0 (object-array 0)))
(defn- unary [a x local] (node x :unary local (object-array [a])))
(defn add [a b] (node (+ (value a) (value b)) :sum 0.0 (object-array [a b])))
(defn mul [a b] (node (* (value a) (value b)) :dot 0.0 (object-array [a]) (object-array [b])))

(defn shift "a + c for a number c." [a ^double c] (unary a (+ (value a) c) 1.0))
(defn scale "a * c for a number c." [a ^double c] (unary a (* (value a) c) c))
(defn neg [a] (scale a -1.0))
(defn pow [a ^double c] (unary a (exact/pow (value a) c) (* c (exact/pow (value a) (- c 1.0)))))
(defn div [a b] (mul a (pow b -1.0)))
(defn log [a] (unary a (exact/log (value a)) (/ 1.0 (value a))))
(defn exp [a] (let [y (exact/exp (value a))] (unary a y y)))
(defn relu [a] (if (pos? (value a)) (unary a (value a) 1.0) (unary a 0.0 0.0)))

(defn twin
  "Another node just like this one."
  [^Node a]
  (node (.value a) (.kind a) (.local a) (.ws a) (.xs a)))

(defn chained
  "The sum from the left, node by node."
  [[a & more]]
  (reduce add (shift a 0.0) more))

(defn sum
  "The sum as one node. No term occurs twice or lies below another one."
  [terms]
  (let [^objects xs (to-array terms)
        total (areduce xs i total 0.0 (+ total (value (aget xs i))))]
    (node total :sum 0.0 xs)))

(defn dot
  "The dot product of two arrays as one node. As in sum, but two factors may be the same."
  [^objects ws ^objects xs]
  (let [total (areduce ws i total 0.0 (+ total (* (value (aget ws i)) (value (aget xs i)))))]
    (node total :dot 0.0 ws xs)))

(defn- sorted
  "The depth-first post-order, found on a path of its own, since graphs are deep."
  ^ArrayList [^Node root]
  (let [order (ArrayList.)]
    (.setSeen root true)
    (loop [path (list root)]
      (when-let [node (peek path)]
        (if-let [^Node child (.nextUnseen ^Node node)]
          (do (.setSeen child true)
              (recur (conj path child)))
          (do (.add order node)
              (recur (pop path))))))
    order))

(defn backward!
  "Gives the root and all below it their gradients, which must be zero before."
  [^Node root]
  (let [order (sorted root)]
    (.setGradient root 1.0)
    (loop [i (dec (.size order))]
      (when-not (neg? i)
        (let [^Node node (.get order i)]
          (.passOn node)
          (.setSeen node false)
          (recur (dec i)))))))
