with Ada.Numerics;
with Ada.Unchecked_Deallocation;

package body GPT is

   use Ada.Strings.Unbounded;
   use Interfaces;

   --  Random numbers

   function Seeded (Seed : Word) return Twister is
      I : Positive := 1;
   begin
      return T : Twister do
         declare
            S : Words renames T.State;

            function Mixed (I : Positive) return Word
            is (S (I - 1) xor Shift_Right (S (I - 1), 30));
         begin
            S (0) := 19_650_218;
            for I in 1 .. 623 loop
               S (I) := 1_812_433_253 * Mixed (I) + Word (I);
            end loop;
            for K in 1 .. 624 + 623 loop
               if K <= 624 then
                  S (I) := (S (I) xor (Mixed (I) * 1_664_525)) + Seed;
               else
                  S (I) := (S (I) xor (Mixed (I) * 1_566_083_941)) - Word (I);
               end if;
               I := I + 1;
               if I = 624 then
                  S (0) := S (623);
                  I := 1;
               end if;
            end loop;
            S (0) := 2 ** 31;
         end;
      end return;
   end Seeded;

   function Draw (T : in out Twister) return Word is
      Y : Word;
   begin
      if T.Index = 624 then
         for I in Words'Range loop
            Y := (T.State (I) and 2 ** 31) or (T.State ((I + 1) mod 624) and (2 ** 31 - 1));
            T.State (I) := T.State ((I + 397) mod 624) xor Shift_Right (Y, 1);
            if (Y and 1) = 1 then
               T.State (I) := T.State (I) xor 2_567_483_615;
            end if;
         end loop;
         T.Index := 0;
      end if;
      Y := T.State (T.Index);
      T.Index := T.Index + 1;
      Y := Y xor Shift_Right (Y, 11);
      Y := Y xor (Shift_Left (Y, 7) and 2_636_928_640);
      Y := Y xor (Shift_Left (Y, 15) and 4_022_730_752);
      return Y xor Shift_Right (Y, 18);
   end Draw;

   function Random (T : in out Twister) return Double is
      A : constant Word := Shift_Right (T.Draw, 5);
      B : constant Word := Shift_Right (T.Draw, 6);
   begin
      return (Double (A) * 67_108_864.0 + Double (B)) / 9_007_199_254_740_992.0;
   end Random;

   function Gauss (T : in out Twister; Sigma : Double) return Double is
      Z : Double := T.Kept;
   begin
      T.Has_Kept := not T.Has_Kept;
      if T.Has_Kept then
         declare
            X : constant Double := T.Random * 6.283185307179586;
            R : constant Double := Square_Root (-2.0 * Exact.Log (1.0 - T.Random));
         begin
            Z := Cos (X) * R;
            T.Kept := Sin (X) * R;
         end;
      end if;
      return 0.0 + Z * Sigma;
   end Gauss;

   function Below (T : in out Twister; Limit : Word) return Word is
      Shift : Natural := 32;
      Y     : Word;
   begin
      while Shift > 0 and then Shift_Right (Limit, 32 - Shift) /= 0 loop
         Shift := Shift - 1;
      end loop;
      loop
         Y := Shift_Right (T.Draw, Shift);
         exit when Y < Limit;
      end loop;
      return Y;
   end Below;

   function Shuffled (T : in out Twister; Count : Natural) return Integers is
   begin
      return Item : Integers := [for I in 1 .. Count => I] do
         for I in reverse 2 .. Count loop
            declare
               J    : constant Positive := 1 + Integer (Below (T, Word (I)));
               Held : constant Integer := Item (I);
            begin
               Item (I) := Item (J);
               Item (J) := Held;
            end;
         end loop;
      end return;
   end Shuffled;

   function Choice (T : in out Twister; Weights : Doubles) return Natural is
      Sums   : Doubles := Weights;
      Low    : Positive := 1;
      High   : Positive := Sums'Last;
      Middle : Positive;
      U      : Double;
   begin
      for I in 2 .. High loop
         Sums (I) := Sums (I - 1) + Weights (I);
      end loop;
      if not (Sums (High) > 0.0 and then Is_Finite (Sums (High))) then
         raise Bad_Request with "the weights must have a finite total above 0";
      end if;
      U := T.Random * Sums (High);
      while Low < High loop
         Middle := (Low + High - 2) / 2 + 1;
         if U < Sums (Middle) then
            High := Middle;
         else
            Low := Middle + 1;
         end if;
      end loop;
      return Low - 1;
   end Choice;

   --  The autograd

   procedure Free is new Ada.Unchecked_Deallocation (Node_Records, Node_Records_Access);
   procedure Free is new Ada.Unchecked_Deallocation (Nodes, Nodes_Access);
   procedure Free is new Ada.Unchecked_Deallocation (Cube, Cube_Access);

   overriding procedure Finalize (T : in out Tape) is
   begin
      Free (T.Item);
      Free (T.Child);
   end Finalize;

   procedure Clear (T : in out Tape) is
   begin
      T.Size := 0;
      T.Used := 0;
   end Clear;

   function Value (T : Tape; N : Node) return Double
   is (T.Item (N).Value);

   function Gradient (T : Tape; N : Node) return Double
   is (T.Item (N).Gradient);

   function Add_Node
     (T : in out Tape; Value, Local : Double; Children : Nodes; Is_Product : Boolean := False) return Node
   is
      Old_Items    : Node_Records_Access := T.Item;
      Old_Children : Nodes_Access := T.Child;
   begin
      if Old_Items = null then
         T.Item := new Node_Records (1 .. 1024);
         T.Child := new Nodes (1 .. 4096);
      elsif T.Size = Old_Items'Last then
         T.Item := new Node_Records (1 .. 2 * T.Size);
         T.Item (1 .. T.Size) := Old_Items.all;
         Free (Old_Items);
      end if;
      if T.Used + Children'Length > T.Child'Last then
         T.Child := new Nodes (1 .. 2 * (T.Used + Children'Length));
         T.Child (1 .. T.Used) := Old_Children (1 .. T.Used);
         Free (Old_Children);
      end if;
      T.Size := T.Size + 1;
      T.Item (T.Size) := (T.Used + 1, Children'Length, Is_Product, Local, Value, 0.0);
      T.Child (T.Used + 1 .. T.Used + Children'Length) := Children;
      T.Used := T.Used + Children'Length;
      return T.Size;
   end Add_Node;

   function Leaf (T : in out Tape; X : Double) return Node
   is (Add_Node (T, X, 0.0, []));

   function Add (T : in out Tape; A, B : Node) return Node
   is (Add_Node (T, T.Item (A).Value + T.Item (B).Value, 1.0, [A, B]));

   function Mul (T : in out Tape; A, B : Node) return Node
   is (Add_Node (T, T.Item (A).Value * T.Item (B).Value, 0.0, [A, B], Is_Product => True));

   function Add (T : in out Tape; A : Node; C : Double) return Node
   is (Add_Node (T, T.Item (A).Value + C, 1.0, [A]));

   function Mul (T : in out Tape; A : Node; C : Double) return Node
   is (Add_Node (T, T.Item (A).Value * C, C, [A]));

   function Pow (T : in out Tape; A : Node; C : Double) return Node
   is (Add_Node (T, Pow (T.Item (A).Value, C), C * Pow (T.Item (A).Value, C - 1.0), [A]));

   function Log (T : in out Tape; A : Node) return Node
   is (Add_Node (T, Log (T.Item (A).Value), 1.0 / T.Item (A).Value, [A]));

   function Exp (T : in out Tape; A : Node) return Node is
      Y : constant Double := Exp (T.Item (A).Value);
   begin
      return Add_Node (T, Y, Y, [A]);
   end Exp;

   function Relu (T : in out Tape; A : Node) return Node
   is (if T.Item (A).Value > 0.0 then Add_Node (T, T.Item (A).Value, 1.0, [A]) else Add_Node (T, 0.0, 0.0, [A]));

   function Sum (T : in out Tape; X : Nodes) return Node is
      Total : Double := 0.0;
   begin
      for Each of X loop
         Total := Total + T.Item (Each).Value;
      end loop;
      return Add_Node (T, Total, 1.0, X);
   end Sum;

   function Dot (T : in out Tape; W, X : Nodes) return Node is
      Total : Double := 0.0;
      Pairs : Nodes (1 .. 2 * W'Length);
   begin
      for I in 1 .. W'Length loop
         Pairs (2 * I - 1) := W (W'First + I - 1);
         Pairs (2 * I) := X (X'First + I - 1);
         Total := Total + T.Item (Pairs (2 * I - 1)).Value * T.Item (Pairs (2 * I)).Value;
      end loop;
      return Add_Node (T, Total, 0.0, Pairs, Is_Product => True);
   end Dot;

   --  Every division has a pow node of its own; they are alike.
   function Softmax (T : in out Tape; X : Nodes) return Nodes is
      Top   : Double := T.Item (X (X'First)).Value;
      Total : Node;
   begin
      for Each of X loop
         if T.Item (Each).Value > Top then
            Top := T.Item (Each).Value;
         end if;
      end loop;
      return Y : Nodes := X do
         for Each of Y loop
            Each := T.Add (Each, -Top);
            Each := T.Exp (Each);
         end loop;
         Total := T.Sum (Y);
         declare
            Inverse : constant Double := 1.0 / T.Item (Total).Value;
            Local   : constant Double := -1.0 * Pow (T.Item (Total).Value, -2.0);
            Power   : Node;
         begin
            for Each of Y loop
               Power := Add_Node (T, Inverse, Local, [Total]);
               Each := T.Mul (Each, Power);
            end loop;
         end;
      end return;
   end Softmax;

   --  The order is depth-first, without recursion: Next is the child that a node visits next, or -1 before its visit.
   procedure Backward (T : in out Tape; Root : Node) is
      Next, Path, Order : Nodes_Access := new Nodes (1 .. T.Size);
      Depth, Count      : Natural := 0;

      procedure Enter (N : Node) is
      begin
         Next (N) := 0;
         Depth := Depth + 1;
         Path (Depth) := N;
      end Enter;

      procedure Receive (N : Node; Share : Double) is
      begin
         T.Item (N).Gradient := T.Item (N).Gradient + Share;
      end Receive;
   begin
      for N in 1 .. T.Size loop
         Next (N) := (if T.Item (N).Children = 0 then 0 else -1);  --  a leaf has nothing to visit
         T.Item (N).Gradient := 0.0;
      end loop;
      Enter (Root);
      while Depth > 0 loop
         declare
            Top : Node_Record renames T.Item (Path (Depth));
            At_Child : Integer renames Next (Path (Depth));
         begin
            if At_Child = Top.Children then
               Count := Count + 1;
               Order (Count) := Path (Depth);
               Depth := Depth - 1;
            else
               At_Child := At_Child + 1;
               if Next (T.Child (Top.First + At_Child - 1)) < 0 then
                  Enter (T.Child (Top.First + At_Child - 1));
               end if;
            end if;
         end;
      end loop;
      T.Item (Root).Gradient := 1.0;
      for N of reverse Order (1 .. Count) loop
         declare
            Each  : Node_Record renames T.Item (N);
            G     : constant Double := Each.Gradient;
            Child : Nodes renames T.Child (Each.First .. Each.First + Each.Children - 1);
         begin
            if Each.Is_Product then
               for Term in 1 .. Each.Children / 2 loop
                  declare
                     A : constant Node := Child (Child'First + 2 * Term - 2);
                     B : constant Node := Child (Child'First + 2 * Term - 1);
                  begin
                     Receive (A, T.Item (B).Value * G);
                     Receive (B, T.Item (A).Value * G);
                  end;
               end loop;
            else
               for C of Child loop
                  Receive (C, Each.Local * G);
               end loop;
            end if;
         end;
      end loop;
      Free (Next);
      Free (Path);
      Free (Order);
   end Backward;

   --  The model

   function Matrices (S : Shape) return Matrix_Vectors.Vector is
      First : Positive := 1;
      E     : Positive renames S.Embedding;
   begin
      return All_Of : Matrix_Vectors.Vector do
         declare
            procedure Append (Name : String; Rows, Columns : Positive) is
            begin
               All_Of.Append (Matrix'(To_Unbounded_String (Name), Rows, Columns, First));
               First := First + Rows * Columns;
            end Append;
         begin
            Append ("wte", S.Vocabulary, E);
            Append ("wpe", S.Block, E);
            Append ("lm_head", S.Vocabulary, E);
            for I in 0 .. S.Layers - 1 loop
               declare
                  Layer : constant String := "layer" & Image (Long_Long_Integer (I)) & ".";
               begin
                  Append (Layer & "attn_wq", E, E);
                  Append (Layer & "attn_wk", E, E);
                  Append (Layer & "attn_wv", E, E);
                  Append (Layer & "attn_wo", E, E);
                  Append (Layer & "mlp_fc1", 4 * E, E);
                  Append (Layer & "mlp_fc2", E, 4 * E);
               end;
            end loop;
         end;
      end return;
   end Matrices;

   function Take_Matrices (R : in out Request; S : Shape; Prefix : String) return Double_Vectors.Vector is
      Rows, Columns : Positive;
   begin
      return X : Double_Vectors.Vector do
         for M of Matrices (S) loop
            Rows := M.Rows;
            Columns := M.Columns;
            R.Take_Tensor (Prefix & To_String (M.Name), Rows, Columns, X);
         end loop;
      end return;
   end Take_Matrices;

   procedure Put_Matrices (R : in out Reply; S : Shape; Prefix : String; X : Double_Vectors.Vector) is
   begin
      for M of Matrices (S) loop
         R.Put_Tensor (Prefix & To_String (M.Name), M.Rows, M.Columns, X, M.First);
      end loop;
   end Put_Matrices;

   procedure Make (Net : in out Model; S : Shape; Parameters : Double_Vectors.Vector) is
   begin
      Net.Form := S;
      Net.Matrices := Matrices (S);
      Net.Parameters := Parameters;
      Net.Keys := new Cube (1 .. S.Layers, 1 .. S.Block, 1 .. S.Embedding);
      Net.Values := new Cube (1 .. S.Layers, 1 .. S.Block, 1 .. S.Embedding);
   end Make;

   overriding procedure Finalize (Net : in out Model) is
   begin
      Free (Net.Keys);
      Free (Net.Values);
   end Finalize;

   procedure Start (Net : in out Model) is
      Unused : Node;
   begin
      Net.Line.Clear;
      for X of Net.Parameters loop
         Unused := Net.Line.Leaf (X);
      end loop;
   end Start;

   function Row (M : Matrix; R : Positive) return Nodes
   is ([for I in 1 .. M.Columns => M.First + (R - 1) * M.Columns + I - 1]);

   function Linear (Net : in out Model; X : Nodes; Number : Positive) return Nodes is
      M : constant Matrix := Net.Matrices (Number);
   begin
      return Y : Nodes (1 .. M.Rows) do
         for R in Y'Range loop
            Y (R) := Net.Line.Dot (Row (M, R), X);
         end loop;
      end return;
   end Linear;

   function Rmsnorm (Net : in out Model; X : Nodes) return Nodes is
      Scale : Node := Net.Line.Dot (X, X);
   begin
      Scale := Net.Line.Mul (Scale, 1.0 / Double (X'Length));
      Scale := Net.Line.Add (Scale, 0.00001);
      Scale := Net.Line.Pow (Scale, -0.5);
      return Y : Nodes := X do
         for Each of Y loop
            Each := Net.Line.Mul (Each, Scale);
         end loop;
      end return;
   end Rmsnorm;

   function Sum_Of (Net : in out Model; X, Y : Nodes) return Nodes is
   begin
      return Z : Nodes := X do
         for I in Z'Range loop
            Z (I) := Net.Line.Add (X (I), Y (I));
         end loop;
      end return;
   end Sum_Of;

   --  Puts an activation where it is noted; Place counts position, layer and head from 0.
   procedure Put (Net : Model; Name : String; X : Nodes; Place : Integers) is
      Text   : Unbounded_String;
      Values : Doubles (1 .. X'Length);
   begin
      if Net.Note = null then
         return;
      end if;
      for I in Place'Range loop
         Append (Text, (case I is when 1 => "pos", when 2 => "layer", when others => "head"));
         Append (Text, Image (Long_Long_Integer (Place (I))) & ".");
      end loop;
      Net.Note.Put_Line ("tensor " & To_String (Text) & Name & " 1" & X'Length'Image);
      for I in Values'Range loop
         Values (I) := Net.Line.Value (X (X'First + I - 1));
      end loop;
      Net.Note.Put ("row", Values);
   end Put;

   --  The values at the positions to which T attends, mixed head by head.
   function Attention (Net : in out Model; Q : Nodes; T, Layer : Positive) return Nodes is
      List    : constant Integers := Net.Form.Attend (T);
      Size    : constant Positive := Q'Length / Net.Form.Heads;
      Divisor : constant Double := 1.0 / Square_Root (Double (Size));
      Scores  : Nodes (List'Range);
   begin
      return Mixed : Nodes (Q'Range) do
         for Head in 0 .. Net.Form.Heads - 1 loop
            for S in List'Range loop
               Scores (S) := Net.Line.Dot
                 (Q (Head * Size + 1 .. (Head + 1) * Size),
                  [for J in 1 .. Size => Net.Keys (Layer, List (S) + 1, Head * Size + J)]);
               Scores (S) := Net.Line.Mul (Scores (S), Divisor);
            end loop;
            Put (Net, "scores", Scores, [T - 1, Layer - 1, Head]);
            Scores := Softmax (Net.Line, Scores);
            Put (Net, "weights", Scores, [T - 1, Layer - 1, Head]);
            for J in Head * Size + 1 .. (Head + 1) * Size loop
               Mixed (J) := Net.Line.Dot (Scores, [for S in List'Range => Net.Values (Layer, List (S) + 1, J)]);
            end loop;
            Put (Net, "mixed", Mixed (Head * Size + 1 .. (Head + 1) * Size), [T - 1, Layer - 1, Head]);
         end loop;
      end return;
   end Attention;

   function Logits (Net : in out Model; Token, T : Positive) return Nodes is
      X : Nodes := Sum_Of (Net, Row (Net.Matrices (1), Token), Row (Net.Matrices (2), T));
   begin
      Put (Net, "embedded", X, [T - 1]);
      X := Rmsnorm (Net, X);
      Put (Net, "normed", X, [T - 1]);
      for Layer in 1 .. Net.Form.Layers loop
         declare
            Place  : constant Integers := [T - 1, Layer - 1];
            W      : constant Positive := 6 * Layer - 3;
            Normed : constant Nodes := Rmsnorm (Net, X);
            Q      : constant Nodes := Linear (Net, Normed, W + 1);
            K      : constant Nodes := Linear (Net, Normed, W + 2);
            V      : constant Nodes := Linear (Net, Normed, W + 3);
            Hidden : Nodes (1 .. 4 * X'Length);
            Out_Of : Nodes (X'Range);
         begin
            for I in X'Range loop
               Net.Keys (Layer, T, I) := K (I);
               Net.Values (Layer, T, I) := V (I);
            end loop;
            Put (Net, "attn_norm", Normed, Place);
            Put (Net, "q", Q, Place);
            Put (Net, "k", K, Place);
            Put (Net, "v", V, Place);
            Out_Of := Linear (Net, Attention (Net, Q, T, Layer), W + 4);
            Put (Net, "attn_out", Out_Of, Place);
            X := Sum_Of (Net, Out_Of, X);
            Put (Net, "attn_residual", X, Place);
            Out_Of := Rmsnorm (Net, X);
            Put (Net, "mlp_norm", Out_Of, Place);
            Hidden := Linear (Net, Out_Of, W + 5);
            Put (Net, "hidden", Hidden, Place);
            for Each of Hidden loop
               Each := Net.Line.Relu (Each);
               if Net.Form.Is_Squared then
                  Each := Net.Line.Pow (Each, 2.0);
               end if;
            end loop;
            Put (Net, "activated", Hidden, Place);
            Out_Of := Linear (Net, Hidden, W + 6);
            Put (Net, "mlp_out", Out_Of, Place);
            X := Sum_Of (Net, Out_Of, X);
            Put (Net, "mlp_residual", X, Place);
         end;
      end loop;
      return Y : constant Nodes := Linear (Net, X, 3) do
         Put (Net, "logits", Y, [T - 1]);
      end return;
   end Logits;

   function Loss (Net : in out Model; Tokens : Integers) return Node is
      Count  : constant Positive := Integer'Min (Net.Form.Block, Tokens'Length - 1);
      Losses : Nodes (1 .. Count);
      Total  : Node;
   begin
      Start (Net);
      for T in Losses'Range loop
         declare
            Scores        : constant Nodes := Logits (Net, Tokens (T) + 1, T);
            Probabilities : constant Nodes := Softmax (Net.Line, Scores);
         begin
            Put (Net, "probabilities", Probabilities, [T - 1]);
            Losses (T) := Net.Line.Log (Probabilities (Tokens (T + 1) + 1));
            Losses (T) := Net.Line.Mul (Losses (T), -1.0);
            Put (Net, "loss", Losses (T .. T), [T - 1]);
         end;
      end loop;
      Total := Net.Line.Sum (Losses);
      return Net.Line.Mul (Total, 1.0 / Double (Count));
   end Loss;

   function Sample (Net : in out Model; Temperature : Double; T : in out Twister'Class) return Integers is
      Bos    : constant Positive := Net.Form.Vocabulary - 1;
      Token  : Natural := Bos;
      Count  : Natural := 0;
      Tokens : Integers (1 .. Net.Form.Block);
      Note   : constant Reply_Access := Net.Note;
   begin
      Net.Note := null;  --  of the draws alone
      Start (Net);
      while Count < Net.Form.Block loop
         declare
            Scaled        : Nodes := Logits (Net, Token + 1, Count + 1);
            Probabilities : Doubles (Scaled'Range);
         begin
            for Each of Scaled loop
               Each := Net.Line.Mul (Each, 1.0 / Temperature);
            end loop;
            Scaled := Softmax (Net.Line, Scaled);
            for I in Scaled'Range loop
               Probabilities (I) := Net.Line.Value (Scaled (I));
            end loop;
            Token := T.Choice (Probabilities);
            if Note /= null then
               Note.Put ("probabilities", Probabilities);
               Note.Put ("token", Integers'[Token]);
            end if;
         end;
         exit when Token = Bos;
         Count := Count + 1;
         Tokens (Count) := Token;
      end loop;
      Net.Note := Note;
      return Tokens (1 .. Count);
   end Sample;

   function Gradients (Net : Model) return Double_Vectors.Vector is
   begin
      return G : Double_Vectors.Vector do
         for N in 1 .. Net.Parameters.Last_Index loop
            G.Append (Net.Line.Gradient (N));
         end loop;
      end return;
   end Gradients;

   --  Training

   function Rate (A : Adam; Step : Natural) return Double is
      S : constant Double := Double (Step);
      N : constant Double := Double (A.Steps);
   begin
      return (if A.Is_Cosine then (A.Learning_Rate * 0.5) * (1.0 + Cos ((Ada.Numerics.Pi * S) / N))
              else A.Learning_Rate * (1.0 - S / N));
   end Rate;

   function Correction (Beta : Double; Step : Natural) return Double
   is (1.0 - Pow (Beta, Double (Step + 1)));

   procedure Update
     (A    : Adam; Step : Natural; P : in out Double_Vectors.Vector; G : Double_Vectors.Vector;
      M, V : in out Double_Vectors.Vector)
   is
      Rate_Of_Step : constant Double := A.Rate (Step);
      Correction_1 : constant Double := Correction (A.Beta_1, Step);
      Correction_2 : constant Double := Correction (A.Beta_2, Step);
      Square, Root : Double;
   begin
      for I in 1 .. P.Last_Index loop
         M (I) := A.Beta_1 * M (I) + (1.0 - A.Beta_1) * G (I);
         V (I) := A.Beta_2 * V (I) + (1.0 - A.Beta_2) * (G (I) * G (I));
         Square := V (I) / Correction_2;
         Root := (if Square > 0.0 then Square_Root (Square) else Pow (Square, 0.5));
         P (I) := P (I) - (Rate_Of_Step * (M (I) / Correction_1)) / (Root + A.Epsilon);
      end loop;
   end Update;

   function Train (A : Adam; Step : Natural; Net : in out Model'Class; Tokens : Integers; M, V : in out Double_Vectors.Vector)
     return Double
   is
      Root : constant Node := Loss (Net, Tokens);
   begin
      Net.Line.Backward (Root);
      A.Update (Step, Net.Parameters, Gradients (Net), M, V);
      return Net.Line.Value (Root);
   end Train;

   --  Text, and a whole run

   procedure Add_Document (Documents : in out Integer_Lists.Vector; Line : Integers) is
      First : Positive := Line'First;
      Last  : Natural := Line'Last;

      function Is_Space (Point : Integer) return Boolean
      is (Point in 9 .. 13 | 32);
   begin
      while First <= Last and then Is_Space (Line (First)) loop
         First := First + 1;
      end loop;
      while Last >= First and then Is_Space (Line (Last)) loop
         Last := Last - 1;
      end loop;
      if First <= Last then
         Documents.Append (Line (First .. Last));
      end if;
   end Add_Document;

   function Vocabulary (Documents : Integer_Lists.Vector) return Integers is
      type Point_Set is array (0 .. 16#10_ffff#) of Boolean with Pack;
      type Point_Set_Access is access Point_Set;
      procedure Free is new Ada.Unchecked_Deallocation (Point_Set, Point_Set_Access);
      Known  : Point_Set_Access := new Point_Set'(others => False);
      Points : Integers (1 .. 2048);
      Count  : Natural := 0;
   begin
      for Document of Documents loop
         for Point of Document loop
            Known (Point) := True;
         end loop;
      end loop;
      for Point in Known'Range loop
         if Known (Point) and then Count < Points'Last then
            Count := Count + 1;
            Points (Count) := Point;
         end if;
      end loop;
      Free (Known);
      if Count = 0 then
         raise Bad_Request with "the dataset has no documents";
      elsif Count > 2047 then
         raise Bad_Request with "the dataset has more than 2047 distinct characters";
      end if;
      return Points (1 .. Count);
   end Vocabulary;

   function Encoded (Document, Points : Integers) return Integers is

      function Token (Point : Integer) return Natural is
         Low    : Positive := 1;
         High   : Positive := Points'Last;
         Middle : Positive;
      begin
         while Low < High loop
            Middle := (Low + High) / 2;
            if Points (Middle) < Point then
               Low := Middle + 1;
            else
               High := Middle;
            end if;
         end loop;
         return Low - 1;
      end Token;
   begin
      return Tokens : Integers (1 .. Document'Length + 2) := [others => Points'Length] do
         for I in 1 .. Document'Length loop
            Tokens (I + 1) := Token (Document (Document'First + I - 1));
         end loop;
      end return;
   end Encoded;

   procedure Run
     (Is_Seed : Boolean; Steps : Positive; Samples : Natural; Documents : Integer_Lists.Vector;
      Print   : not null access procedure (Line : String; Points : Integers);
      Net     : in out Model'Class; M, V : out Double_Vectors.Vector; T : out Twister'Class)
   is
      Points   : constant Integers := Vocabulary (Documents);
      Settings : constant Adam :=
        (if Is_Seed then (0.01, 0.9, 0.95, 1.0e-8, True, Steps) else (0.01, 0.85, 0.99, 1.0e-8, False, Steps));
      S        : Shape := (Heads => 4, Embedding => 16, Block => (if Is_Seed then 8 else 16),
                           Vocabulary => Points'Length + 1, Is_Squared => Is_Seed, others => <>);
      Start    : Double_Vectors.Vector;
      Order    : Integer_Lists.Vector;

      function Padded (I : Natural; Width : Positive) return String is
         Image : constant String := Protocol.Image (Long_Long_Integer (I));
      begin
         return [1 .. Width - Image'Length => ' '] & Image;
      end Padded;

      procedure Say (Line : String) is
      begin
         Print (Line, []);
      end Say;
   begin
      T := Twister'Class (Seeded (42));
      Order.Append (T.Shuffled (Documents.Last_Index));
      for I in 0 .. S.Block - 1 loop
         S.Attend.Append (Integers'[for K in 1 .. I + 1 => K - 1]);
      end loop;
      for W of Matrices (S) loop
         declare
            Is_Output : constant Boolean := To_String (W.Name) in "layer0.attn_wo" | "layer0.mlp_fc2";
            Sigma     : constant Double := (if not Is_Seed then 0.08 elsif Is_Output then 0.0 else 0.02);
         begin
            for I in 1 .. W.Rows * W.Columns loop
               Start.Append (T.Gauss (Sigma));
            end loop;
         end;
      end loop;
      Net.Make (S, Start);
      M := Double_Vectors.To_Vector (0.0, Start.Length);
      V := M;
      Say ("num docs: " & Image (Long_Long_Integer (Documents.Last_Index)));
      Say ("vocab size: " & Image (Long_Long_Integer (S.Vocabulary)));
      Say ("num params: " & Image (Long_Long_Integer (Start.Last_Index)));
      for Step in 0 .. Steps - 1 loop
         declare
            Place    : constant Positive := Order (1) (1 + Step mod Documents.Last_Index);
            Document : constant Integers := Encoded (Documents (Place), Points);
            Loss     : constant Double := Settings.Train (Step, Net, Document, M, V);
         begin
            Say ("step " & Padded (Step + 1, 4) & " / " & Padded (Steps, 4) & " | loss " & Decimals (Loss));
         end;
      end loop;
      Say ("");
      Say ("--- inference (new, hallucinated names) ---");
      for I in 1 .. Samples loop
         declare
            Tokens : constant Integers := Net.Sample (0.5, T);
         begin
            Print ("sample " & Padded (I, 2) & ": ", [for K in Tokens'Range => Points (Tokens (K) + 1)]);
         end;
      end loop;
   end Run;

end GPT;
