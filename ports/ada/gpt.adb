with Ada.Numerics;
with Ada.Unchecked_Deallocation;
with Twister;

package body GPT is

   use Ada.Strings.Unbounded;

   type Cube is array (Positive range <>, Positive range <>, Positive range <>) of Node;
   type Cube_Access is access Cube;
   procedure Free is new Ada.Unchecked_Deallocation (Cube, Cube_Access);
   Keys, Values : Cube_Access;  --  by layer, position and element

   function Image (I : Natural) return String
   is (Protocol.Image (Long_Long_Integer (I)));

   procedure Make_Matrices is
      First : Positive := 1;

      procedure Append (Name : String; Rows, Columns : Positive) is
      begin
         Matrices.Append (Matrix'(To_Unbounded_String (Name), Rows, Columns, First));
         First := First + Rows * Columns;
      end Append;

      procedure Append_Layer (Name : String) is
      begin
         Append (Name & "attn_wq", Embedding, Embedding);
         Append (Name & "attn_wk", Embedding, Embedding);
         Append (Name & "attn_wv", Embedding, Embedding);
         Append (Name & "attn_wo", Embedding, Embedding);
         Append (Name & "mlp_fc1", 4 * Embedding, Embedding);
         Append (Name & "mlp_fc2", Embedding, 4 * Embedding);
      end Append_Layer;
   begin
      Matrices.Clear;
      Append ("wte", Vocabulary, Embedding);
      Append ("wpe", Block, Embedding);
      Append ("lm_head", Vocabulary, Embedding);
      for I in 0 .. Layers - 1 loop
         Append_Layer ("layer" & Image (I) & ".");
      end loop;
   end Make_Matrices;

   procedure Start (Numbers : Double_Vectors.Vector) is
   begin
      Parameters := Numbers;
      M := Double_Vectors.To_Vector (0.0, Numbers.Length);
      V := M;
      Free (Keys);
      Free (Values);
      Keys := new Cube (1 .. Layers, 1 .. Block, 1 .. Embedding);
      Values := new Cube (1 .. Layers, 1 .. Block, 1 .. Embedding);
   end Start;

   procedure Begin_Document is
      Unused : Node;
   begin
      Tape.Clear;
      for X of Parameters loop
         Unused := Leaf (X);
      end loop;
   end Begin_Document;

   --  Puts an activation; Place counts position, layer and head from 0.
   procedure Note (Name : String; X : Nodes; Place : Integers) is
      Text : Unbounded_String;
   begin
      if not Is_Traced then
         return;
      end if;
      for I in Place'Range loop
         Append (Text, (case I is when 1 => "pos", when 2 => "layer", when others => "head") & Image (Place (I)) & ".");
      end loop;
      Put_Line ("tensor " & To_String (Text) & Name & " 1" & X'Length'Image);
      Put ("row", Value (X));
   end Note;

   function Row (W : Matrix; R : Positive) return Nodes
   is ([for I in 1 .. W.Columns => Leaf_At (W.First + (R - 1) * W.Columns + I - 1)]);

   function Linear (X : Nodes; Number : Positive) return Nodes is
      W : constant Matrix := Matrices (Number);
   begin
      return Y : Nodes (1 .. W.Rows) do
         for R in Y'Range loop
            Y (R) := Dot (Row (W, R), X);
         end loop;
      end return;
   end Linear;

   --  The values at the positions to which T attends, mixed head by head.
   function Attention (Q : Nodes; T, Layer : Positive) return Nodes is
      List    : constant Integers := Attend (T);
      Size    : constant Positive := Embedding / Heads;
      Divisor : constant Double := 1.0 / Square_Root (Double (Size));
      Scores  : Nodes (List'Range);
   begin
      return Mixed : Nodes (Q'Range) do
         for Head in 0 .. Heads - 1 loop
            for S in List'Range loop
               Scores (S) := Divisor * Dot
                 (Q (Head * Size + 1 .. (Head + 1) * Size),
                  [for J in 1 .. Size => Keys (Layer, List (S) + 1, Head * Size + J)]);
            end loop;
            Note ("scores", Scores, [T - 1, Layer - 1, Head]);
            Scores := Softmax (Scores);
            Note ("weights", Scores, [T - 1, Layer - 1, Head]);
            for J in Head * Size + 1 .. (Head + 1) * Size loop
               Mixed (J) := Dot (Scores, [for S in List'Range => Values (Layer, List (S) + 1, J)]);
            end loop;
            Note ("mixed", Mixed (Head * Size + 1 .. (Head + 1) * Size), [T - 1, Layer - 1, Head]);
         end loop;
      end return;
   end Attention;

   function Logits (Token, T : Positive) return Nodes is
      X, Y, Q : Nodes (1 .. Embedding);
      Hidden  : Nodes (1 .. 4 * Embedding);
      W       : Positive;

      procedure Keep (Cache : Cube_Access; Layer : Positive; Name : String; Number : Positive) is
         Kept : constant Nodes := Linear (Y, Number);
      begin
         for I in Kept'Range loop
            Cache (Layer, T, I) := Kept (I);
         end loop;
         Note (Name, Kept, [T - 1, Layer - 1]);
      end Keep;
   begin
      X := Row (Matrices (1), Token) + Row (Matrices (2), T);
      Note ("embedded", X, [T - 1]);
      X := Rmsnorm (X);
      Note ("normed", X, [T - 1]);
      for Layer in 1 .. Layers loop
         W := 6 * Layer - 3;
         Y := Rmsnorm (X);
         Note ("attn_norm", Y, [T - 1, Layer - 1]);
         Q := Linear (Y, W + 1);
         Note ("q", Q, [T - 1, Layer - 1]);
         Keep (Keys, Layer, "k", W + 2);
         Keep (Values, Layer, "v", W + 3);
         Y := Linear (Attention (Q, T, Layer), W + 4);
         Note ("attn_out", Y, [T - 1, Layer - 1]);
         X := Y + X;
         Note ("attn_residual", X, [T - 1, Layer - 1]);
         Y := Rmsnorm (X);
         Note ("mlp_norm", Y, [T - 1, Layer - 1]);
         Hidden := Linear (Y, W + 5);
         Note ("hidden", Hidden, [T - 1, Layer - 1]);
         for Each of Hidden loop
            Each := Relu (Each);
            if Is_Squared then
               Each := Each ** 2.0;
            end if;
         end loop;
         Note ("activated", Hidden, [T - 1, Layer - 1]);
         Y := Linear (Hidden, W + 6);
         Note ("mlp_out", Y, [T - 1, Layer - 1]);
         X := Y + X;
         Note ("mlp_residual", X, [T - 1, Layer - 1]);
      end loop;
      return Z : constant Nodes := Linear (X, 3) do
         Note ("logits", Z, [T - 1]);
      end return;
   end Logits;

   function Loss (Tokens : Integers) return Node is
      Losses        : Nodes (1 .. Integer'Min (Block, Tokens'Length - 1));
      Probabilities : Nodes (1 .. Vocabulary);
   begin
      Begin_Document;
      for T in Losses'Range loop
         Probabilities := Softmax (Logits (Tokens (T) + 1, T));
         Note ("probabilities", Probabilities, [T - 1]);
         Losses (T) := (-1.0) * Log (Probabilities (Tokens (T + 1) + 1));
         Note ("loss", Losses (T .. T), [T - 1]);
      end loop;
      return (1.0 / Double (Losses'Length)) * Sum (Losses);
   end Loss;

   function Predict (T, Token : Positive; Temperature : Double) return Doubles is
   begin
      if T = 1 then
         Begin_Document;
      end if;
      return Value (Softmax ((1.0 / Temperature) * Logits (Token, T)));
   end Predict;

   function Gradients return Double_Vectors.Vector is
   begin
      return G : Double_Vectors.Vector do
         for N in 1 .. Parameters.Last_Index loop
            G.Append (Gradient (Leaf_At (N)));
         end loop;
      end return;
   end Gradients;

   function Rate (A : Adam; Step : Natural) return Double is
      S : constant Double := Double (Step);
      N : constant Double := Double (A.Steps);
   begin
      return (if A.Is_Cosine then (A.Learning_Rate * 0.5) * (1.0 + Cos ((Ada.Numerics.Pi * S) / N))
              else A.Learning_Rate * (1.0 - S / N));
   end Rate;

   function Correction (Beta : Double; Step : Natural) return Double
   is (1.0 - Pow (Beta, Double (Step + 1)));

   procedure Update (A : Adam; Step : Natural; P, G, M, V : in out Double_Vectors.Vector) is
      Rate_Of_Step : constant Double := Rate (A, Step);
      Correction_1 : constant Double := Correction (A.Beta_1, Step);
      Correction_2 : constant Double := Correction (A.Beta_2, Step);
   begin
      for I in 1 .. P.Last_Index loop
         M (I) := A.Beta_1 * M (I) + (1.0 - A.Beta_1) * G (I);
         V (I) := A.Beta_2 * V (I) + (1.0 - A.Beta_2) * (G (I) * G (I));
         P (I) := P (I) - (Rate_Of_Step * (M (I) / Correction_1)) / (Pow (V (I) / Correction_2, 0.5) + A.Epsilon);
      end loop;
   end Update;

   function Train (A : Adam; Step : Natural; Tokens : Integers) return Double is
      Root : constant Node := Loss (Tokens);
      G    : Double_Vectors.Vector;
   begin
      Tape.Backward (Root);
      G := Gradients;
      Update (A, Step, Parameters, G, M, V);
      return Value (Root);
   end Train;

   procedure Add_Document (Documents : in out Integer_Lists.Vector; Line : Integers) is
      First : Positive := Line'First;
      Last  : Natural := Line'Last;
   begin
      Expect ((for all Point of Line => Point in 0 .. 16#d7ff# | 16#e000# .. 16#10_ffff#), "code points");
      while First <= Last and then Line (First) in 9 .. 13 | 32 loop
         First := First + 1;
      end loop;
      while Last >= First and then Line (Last) in 9 .. 13 | 32 loop
         Last := Last - 1;
      end loop;
      if First <= Last then
         Documents.Append (Line (First .. Last));
      end if;
   end Add_Document;

   function Distinct (Documents : Integer_Lists.Vector) return Integers is
      type Point_Set is array (0 .. 16#10_ffff#) of Boolean with Pack;
      Known  : Point_Set := [others => False];
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
      Expect (Count in 1 .. 2047, "a dataset of 1 to 2047 distinct characters");
      return Points (1 .. Count);
   end Distinct;

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
      Print   : not null access procedure (Line : String; Points : Integers))
   is
      Points  : constant Integers := Distinct (Documents);
      Classic : constant Adam := (Beta_1 => 0.85, Beta_2 => 0.99, Is_Cosine => False, Steps => Steps, others => <>);
      A       : constant Adam := (if Is_Seed then (Steps => Steps, others => <>) else Classic);
      Order   : Integer_Lists.Vector;
      Numbers : Double_Vectors.Vector;

      function Padded (I : Natural; Width : Positive) return String
      is ([1 .. Width - Image (I)'Length => ' '] & Image (I));

      procedure Train_On (Document : Integers; Step : Natural) is
      begin
         Print ("step " & Padded (Step + 1, 4) & " / " & Padded (Steps, 4) & " | loss "
                & Decimals (Train (A, Step, Encoded (Document, Points))), []);
      end Train_On;

      procedure Sample (Number : Positive) is
         Sampled : Integers (1 .. Block);
         Token   : Positive := Vocabulary;
         Count   : Natural := 0;
      begin
         while Count < Block loop
            Token := 1 + Twister.Choice (Predict (Count + 1, Token, 0.5));
            exit when Token = Vocabulary;
            Count := Count + 1;
            Sampled (Count) := Points (Token);
         end loop;
         Print ("sample " & Padded (Number, 2) & ": ", Sampled (1 .. Count));
      end Sample;
   begin
      Twister.Seed (42);
      Order.Append (Twister.Shuffled (Documents.Last_Index));
      Layers := 1;
      Heads := 4;
      Embedding := 16;
      Block := (if Is_Seed then 8 else 16);
      Vocabulary := Points'Length + 1;
      Is_Squared := Is_Seed;
      Is_Traced := False;
      Attend.Clear;
      for I in 0 .. Block - 1 loop
         Attend.Append (Integers'[for K in 1 .. I + 1 => K - 1]);
      end loop;
      Make_Matrices;
      for W of Matrices loop
         declare
            Is_Output : constant Boolean := To_String (W.Name) in "layer0.attn_wo" | "layer0.mlp_fc2";
            Sigma     : constant Double := (if not Is_Seed then 0.08 elsif Is_Output then 0.0 else 0.02);
         begin
            for I in 1 .. W.Rows * W.Columns loop
               Numbers.Append (Twister.Gauss (Sigma));
            end loop;
         end;
      end loop;
      Start (Numbers);
      Print ("num docs: " & Image (Documents.Last_Index), []);
      Print ("vocab size: " & Image (Vocabulary), []);
      Print ("num params: " & Image (Parameters.Last_Index), []);
      for Step in 0 .. Steps - 1 loop
         Train_On (Documents (1 + Order (1) (1 + Step mod Documents.Last_Index)), Step);
      end loop;
      Print ("", []);
      Print ("--- inference (new, hallucinated names) ---", []);
      for Number in 1 .. Samples loop
         Sample (Number);
      end loop;
   end Run;

end GPT;
