;;;; The generator of random numbers, the model, its training, samples, and a whole run.

(in-package :microgpt)

;;; Random numbers: MT19937 and what is drawn from it.

(deftype word () '(unsigned-byte 32))

(defstruct generator
  (words (make-array 624 :element-type 'word :initial-element 19650218) :type (simple-array word (624)))
  (index 624 :type (integer 0 624))
  (kept nil :type (or null double-float)))

(defvar *generator* (make-generator))

(defun seeded-generator (seed)
  (let* ((generator (make-generator)) (mt (generator-words generator)) (i 1))
    (declare (type (integer 0 624) i))
    (flet ((mixed (i factor)
             (let ((before (aref mt (1- i))))
               (* factor (logxor before (ash before -30)))))
           (stir (x)
             (setf (aref mt i) (ldb (byte 32 0) x))
             (when (= (incf i) 624)
               (setf (aref mt 0) (aref mt 623) i 1))))
      (loop for i from 1 below 624 do (setf (aref mt i) (ldb (byte 32 0) (+ (mixed i 1812433253) i))))
      (loop repeat 624 do (stir (+ (logxor (aref mt i) (mixed i 1664525)) seed)))
      (loop repeat 623 do (stir (- (logxor (aref mt i) (mixed i 1566083941)) i))))
    (setf (aref mt 0) (ash 1 31))
    generator))

(defun renew (mt)
  (declare (type (simple-array word (624)) mt))
  (dotimes (i 624)
    (let ((y (logior (mask-field (byte 1 31) (aref mt i)) (ldb (byte 31 0) (aref mt (mod (1+ i) 624))))))
      (setf (aref mt i)
            (logxor (aref mt (mod (+ i 397) 624)) (ash y -1) (if (oddp y) 2567483615 0))))))

(defun random-word ()
  (with-accessors ((words generator-words) (index generator-index)) *generator*
    (when (= index 624)
      (renew words)
      (setf index 0))
    (let ((y (aref words index)))
      (declare (type word y))
      (incf index)
      (setf y (logxor y (ash y -11))
            y (logxor y (logand (ldb (byte 32 0) (ash y 7)) 2636928640))
            y (logxor y (logand (ldb (byte 32 0) (ash y 15)) 4022730752)))
      (logxor y (ash y -18)))))

(defun random-double ()
  (let* ((a (ash (random-word) -5)) (b (ash (random-word) -6)))
    (/ (coerce (+ (* a 67108864) b) 'double-float) 9007199254740992d0)))

(defun gauss (sigma)
  (+ 0d0
     (* sigma
        (or (shiftf (generator-kept *generator*) nil)
            (let* ((x (* (random-double) 6.283185307179586d0))
                   (r (square-root (* -2d0 (exact-log (- 1d0 (random-double)))))))
              (setf (generator-kept *generator*) (* (exact-sin x) r))
              (* (exact-cos x) r))))))

(defun below (n)
  (loop for x = (ash (random-word) (- (integer-length n) 32))
        when (< x n) return x))

(defun shuffle (items)
  (loop for i from (1- (length items)) downto 1
        do (rotatef (aref items i) (aref items (below (1+ i))))))

(defun choice (weights)
  (declare (type doubles weights))
  (let* ((sum 0d0)
         (cumulative (map 'doubles (lambda (weight) (incf sum weight)) weights))
         (last (1- (length weights))))
    (unless (and (> sum 0) (< sum **infinity**))
      (refuse "the weights must add up to a finite number above 0"))
    (loop with u = (* (random-double) sum) and low = 0 and high = last
          while (< low high)
          do (let ((middle (floor (+ low high) 2)))
               (if (< u (aref cumulative middle))
                   (setf high middle)
                   (setf low (1+ middle))))
          finally (return low))))

;;; The model. Its parameters are the first nodes of its tape.

(defstruct shape layers heads embedding block vocabulary squared attention)

(defun matrices (shape)
  "Name, rows and columns of every matrix of parameters, in order."
  (let ((e (shape-embedding shape)))
    `(("wte" ,(shape-vocabulary shape) ,e)
      ("wpe" ,(shape-block shape) ,e)
      ("lm_head" ,(shape-vocabulary shape) ,e)
      ,@(loop for i below (shape-layers shape)
              nconc (loop for (name rows columns) in `(("attn_wq" ,e ,e) ("attn_wk" ,e ,e) ("attn_wv" ,e ,e)
                                                       ("attn_wo" ,e ,e) ("mlp_fc1" ,(* 4 e) ,e)
                                                       ("mlp_fc2" ,e ,(* 4 e)))
                          collect (list (format nil "layer~d.~a" i name) rows columns))))))

(defstruct model shape tape weights parameters)

(defun new-model (shape parameters)
  "WEIGHTS has, for each matrix, its rows of nodes. PARAMETERS is an array of doubles."
  (let ((*tape* (make-tape)) (next -1))
    (map nil #'leaf parameters)
    (make-model :shape shape
                :tape *tape*
                :parameters (length parameters)
                :weights (loop for (nil rows columns) in (matrices shape)
                               collect (coerce (loop repeat rows
                                                     collect (map-into (make-array columns :element-type 'index)
                                                                       (lambda () (incf next))))
                                               'vector)))))

(defmacro with-model ((model) &body body)
  "BODY works on the model's tape, from which everything but the parameters is gone."
  `(let ((*tape* (model-tape ,model)))
     (setf (tape-size *tape*) (model-parameters ,model))
     ,@body))

(defvar *watch* nil "A function of the place, name and nodes of every activation, or NIL.")

(defun seen (place name nodes)
  "NODES, after showing them to whoever watches. PLACE is a list of position, layer and head, as far as they apply."
  (when *watch*
    (funcall *watch* place name nodes))
  nodes)

(defun linear (x matrix) (map-nodes (lambda (row) (dot row x)) matrix))

(defun divided (a n) "A over the plain number N." (scale a (exact-expt (coerce n 'double-float) -1d0)))

(defun rmsnorm (x)
  (let ((scale (node-expt (shift (divided (dot x x) (length x)) 0.00001d0) -0.5d0)))
    (map-nodes (lambda (a) (node* a scale)) x)))

(defun softmax (x)
  (let* ((top (reduce (lambda (a b) (if (> b a) b a)) (values-of x)))
         (exps (map-nodes (lambda (a) (node-exp (shift a (- top)))) x))
         (total (total exps))
         (sum (value total))
         ;; Every division has a power node of its own; value and local gradient are the same.
         (inverse (/ 1 sum))
         (slope (- (exact-expt sum -2d0))))
    (map-nodes (lambda (e) (node* e (record inverse total nil slope))) exps)))

(defstruct cache "Of one layer: the keys and values of each position so far." keys values)

(defun empty-caches (shape)
  (loop repeat (shape-layers shape)
        collect (make-cache :keys (make-array (shape-block shape)) :values (make-array (shape-block shape)))))

(defun attend (shape place q cache)
  "The mixed values of all heads, joined."
  (let* ((size (/ (shape-embedding shape) (shape-heads shape)))
         (root (sqrt (coerce size 'double-float)))
         (attended (aref (shape-attention shape) (first place))))
    (flet ((attend-head (head)
             (let ((place (append place (list head))) (start (* head size)))
               (labels ((part (x) (subseq x start (+ start size)))
                        (score (s) (divided (dot (part q) (part (aref (cache-keys cache) s))) root))
                        (mix (j) (lambda (s) (aref (aref (cache-values cache) s) (+ start j)))))
                 (let* ((scores (seen place "scores" (map-nodes #'score attended)))
                        (weights (seen place "weights" (softmax scores))))
                   (seen place "mixed" (coerce (loop for j below size
                                                     collect (dot weights (map-nodes (mix j) attended)))
                                               'nodes)))))))
      (apply #'concatenate 'nodes (loop for head below (shape-heads shape) collect (attend-head head))))))

(defun activate (shape a)
  (let ((positive (relu a)))
    (if (shape-squared shape) (node-expt positive 2d0) positive)))

(defun logits (model token position caches)
  "What follows TOKEN at POSITION. The caches grow by this position."
  (destructuring-bind (wte wpe lm-head &rest layers) (model-weights model)
    (let* ((shape (model-shape model))
           (place (list position))
           (x (seen place "embedded" (map-nodes #'node+ (aref wte token) (aref wpe position)))))
      (setf x (seen place "normed" (rmsnorm x)))
      (loop for (wq wk wv wo fc1 fc2) on layers by (lambda (weights) (nthcdr 6 weights))
            for cache in caches
            for layer from 0
            do (let ((here (list position layer)))
                 (flet ((linear (name x matrix) (seen here name (linear x matrix)))
                        (add-residual (name out) (setf x (seen here name (map-nodes #'node+ out x)))))
                   (let* ((normed (seen here "attn_norm" (rmsnorm x)))
                          (q (linear "q" normed wq)))
                     (setf (aref (cache-keys cache) position) (linear "k" normed wk)
                           (aref (cache-values cache) position) (linear "v" normed wv))
                     (add-residual "attn_residual" (linear "attn_out" (attend shape here q cache) wo)))
                   (let* ((normed (seen here "mlp_norm" (rmsnorm x)))
                          (hidden (linear "hidden" normed fc1))
                          (activated (seen here "activated" (map-nodes (lambda (a) (activate shape a)) hidden))))
                     (add-residual "mlp_residual" (linear "mlp_out" activated fc2))))))
      (seen place "logits" (linear x lm-head)))))

(defun document-loss (model tokens)
  "The node of the loss: the mean of -log p(next token)."
  (let* ((count (min (shape-block (model-shape model)) (1- (length tokens))))
         (caches (empty-caches (model-shape model))))
    (flet ((loss-at (position token next)
             (let* ((place (list position))
                    (logits (logits model token position caches))
                    (probabilities (seen place "probabilities" (softmax logits)))
                    (loss (negated (node-log (aref probabilities next)))))
               (seen place "loss" (nodes-of loss))
               loss)))
      (divided (total (coerce (loop for position below count
                                    for (token next) on tokens
                                    collect (loss-at position token next))
                              'nodes))
               count))))

(defun sample (model temperature &key (each-draw (constantly nil)))
  "Tokens until BOS or the end of the block. EACH-DRAW is told the probabilities and the token."
  (with-model (model)
    (loop with caches = (empty-caches (model-shape model))
          with bos = (1- (shape-vocabulary (model-shape model)))
          for position below (shape-block (model-shape model))
          for logits = (logits model (or token bos) position caches)
          for scaled = (map-nodes (lambda (a) (divided a temperature)) logits)
          for probabilities = (values-of (softmax scaled))
          for token = (choice probabilities)
          do (funcall each-draw probabilities token)
          until (= token bos)
          collect token)))

;;; Training.

(defstruct settings learning-rate beta1 beta2 epsilon schedule steps)

(defun factors (settings step)
  "The rate and the two corrections of a step."
  (with-slots (learning-rate beta1 beta2 schedule steps) settings
    (let ((s (coerce step 'double-float)) (n (coerce steps 'double-float)))
      (values (ecase schedule
                (:linear (* learning-rate (- 1 (/ s n))))
                (:cosine (* learning-rate 0.5d0 (+ 1 (exact-cos (/ (* pi s) n))))))
              (- 1 (exact-expt beta1 (+ s 1)))
              (- 1 (exact-expt beta2 (+ s 1)))))))

(defun update (settings step parameters gradients m v)
  "Adam, on as many parameters as there are moments."
  (declare (type doubles parameters gradients m v))
  (multiple-value-bind (rate correction1 correction2) (factors settings step)
    (declare (type double-float rate correction1 correction2))
    (let ((beta1 (settings-beta1 settings)) (beta2 (settings-beta2 settings)) (epsilon (settings-epsilon settings)))
      (declare (type double-float beta1 beta2 epsilon))
      (flet ((root (x) (if (plusp x) (sqrt x) (exact-expt x 0.5d0))))
        (dotimes (i (length m))
          (let ((g (aref gradients i)))
            (setf (aref m i) (+ (* beta1 (aref m i)) (* (- 1 beta1) g))
                  (aref v i) (+ (* beta2 (aref v i)) (* (- 1 beta2) (* g g))))
            (decf (aref parameters i)
                  (/ (* rate (/ (aref m i) correction1))
                     (+ (root (/ (aref v i) correction2)) epsilon)))))))))

(defun train-step (model settings step tokens m v)
  "The loss before the update. The tape keeps the gradients."
  (with-model (model)
    (let* ((loss (document-loss model tokens)) (value (value loss)) (tape *tape*))
      (backward loss)
      (update settings step (tape-value tape) (tape-gradient tape) m v)
      value)))

;;; A whole run.

(defun documents-of (lines)
  "The stripped lines that are not empty, as an array."
  (flet ((stripped (line)
           (string-trim '(#\Tab #\Newline #.(code-char 11) #\Page #\Return #\Space) line)))
    (let ((documents (remove "" (map 'vector #'stripped lines) :test #'string=)))
      (when (zerop (length documents))
        (refuse "the dataset has no documents"))
      documents)))

(defun vocabulary-of (documents)
  "The distinct characters in order, as a string."
  (let ((known (make-hash-table)))
    (loop for document across documents
          do (loop for character across document do (setf (gethash character known) t)))
    (when (> (hash-table-count known) 2047)
      (refuse "the dataset has more than 2047 distinct characters"))
    (sort (coerce (loop for character being the hash-keys of known collect character) 'string) #'char<)))

(defun encode (document vocabulary)
  (let ((bos (length vocabulary)))
    `(,bos ,@(map 'list (lambda (character) (position character vocabulary)) document) ,bos)))

(defun decimals (x)
  "X with four decimals, rounded from the exact value."
  (cond ((nan-p x) "nan")
        ((infinite-p x) (if (plusp x) "inf" "-inf"))
        (t (multiple-value-bind (whole fraction) (floor (round (* 10000 (abs (rational x)))) 10000)
             (format nil "~:[~;-~]~d.~4,'0d" (minusp (float-sign x)) whole fraction)))))

(defstruct preset block sigma output-sigma squared settings)

(defparameter *presets*
  `(("seed" . ,(make-preset :block 8 :sigma 0.02d0 :output-sigma 0d0 :squared t
                            :settings (make-settings :learning-rate 0.01d0 :beta1 0.9d0 :beta2 0.95d0 :epsilon 1d-8
                                                     :schedule :cosine :steps 500)))
    ("classic" . ,(make-preset :block 16 :sigma 0.08d0 :output-sigma 0.08d0 :squared nil
                               :settings (make-settings :learning-rate 0.01d0 :beta1 0.85d0 :beta2 0.99d0
                                                        :epsilon 1d-8 :schedule :linear :steps 1000)))))

(defun draw-parameters (preset shape)
  (coerce (loop for (name rows columns) in (matrices shape)
                for sigma = (if (member name '("layer0.attn_wo" "layer0.mlp_fc2") :test #'string=)
                                (preset-output-sigma preset)
                                (preset-sigma preset))
                nconc (loop repeat (* rows columns) collect (gauss sigma)))
          'doubles))

(defun causal (block)
  (coerce (loop for last below block collect (loop for position to last collect position)) 'vector))

(defun run (preset lines say &key (steps (settings-steps (preset-settings preset))) (samples 20))
  "Train and sample, and SAY each line that is printed. Returns the parameters and both moments."
  (let ((documents (documents-of lines)))
    (shuffle documents)
    (let* ((vocabulary (vocabulary-of documents))
           (shape (make-shape :layers 1 :heads 4 :embedding 16 :block (preset-block preset)
                              :vocabulary (1+ (length vocabulary)) :squared (preset-squared preset)
                              :attention (causal (preset-block preset))))
           (model (new-model shape (draw-parameters preset shape)))
           (count (model-parameters model))
           (m (make-doubles count))
           (v (make-doubles count))
           (settings (copy-settings (preset-settings preset))))
      (setf (settings-steps settings) steps)
      (flet ((say (&rest format) (funcall say (apply #'format nil format))))
        (say "num docs: ~d" (length documents))
        (say "vocab size: ~d" (shape-vocabulary shape))
        (say "num params: ~d" count)
        (dotimes (step steps)
          (let* ((document (aref documents (mod step (length documents))))
                 (loss (train-step model settings step (encode document vocabulary) m v)))
            (say "step ~4d / ~4d | loss ~a" (1+ step) steps (decimals loss))))
        (say "")
        (say "--- inference (new, hallucinated names) ---")
        (loop for number from 1 to samples
              for sample = (sample model 0.5d0)
              do (say "sample ~2d: ~a" number (map 'string (lambda (token) (char vocabulary token)) sample))))
      (values (subseq (tape-value (model-tape model)) 0 count) m v))))
